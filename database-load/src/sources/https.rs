//! Sources behind an address: what a server has there, and its content.

use std::error::Error;
use std::time::Duration;

use chrono::DateTime;
use futures_util::{StreamExt as _, stream};
use objects::is_this_machine;
use process::failure::{self, ExitCode, Failure, OrExit as _};
use process::settings;
use reqwest::header::{CONTENT_LENGTH, DATE, ETAG, HeaderName, LAST_MODIFIED};
use reqwest::{Client, ClientBuilder, Method, NoProxy, Proxy, Response, StatusCode, Url, redirect};
use secrecy::{ExposeSecret as _, SecretString};

use super::object::{Answer, ObjectVersion};
use super::settings::Settings;
use super::unreachable;

const MAX_REDIRECTS: usize = 5;

/// A time that is this close to the answer does not tell two changes within one second apart.
const SETTLED_AFTER_S: i64 = 2;

/// Pauses between two requests double from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// An address, and how to ask for it. User, password and query are sent and never shown.
#[derive(Clone, Debug)]
pub(super) struct Address {
    /// May be shown.
    name: String,
    client: Client,
    url: Url,
    query: Option<SecretString>,
    user: Option<(String, SecretString)>,
    retries: u32,
}

impl Address {
    /// No request is sent yet.
    ///
    /// # Errors
    /// `Usage` for plain text where it is not allowed.
    pub(super) fn new(
        name: &str,
        (url, query, user): (&Url, Option<&SecretString>, Option<&(String, SecretString)>),
        settings: &Settings,
        tls: &rustls::ClientConfig,
    ) -> Result<Address, Failure> {
        check_scheme(name, url, settings.allow_http)?;
        let timeout = Duration::from_secs(settings.connect_timeout_s);
        Ok(Address {
            name: name.to_owned(),
            client: client(settings, tls, timeout, is_this_machine(url))?,
            url: url.clone(),
            query: query.cloned(),
            user: user.cloned(),
            retries: settings.retries,
        })
    }

    /// Asks for the version, without the content.
    ///
    /// # Errors
    /// `Usage` when there is nothing, else `Input`.
    pub(super) async fn version(&self) -> Result<Option<ObjectVersion>, Failure> {
        let mut response = self.send(Method::HEAD).await?;
        let refusals = [
            StatusCode::METHOD_NOT_ALLOWED,
            StatusCode::NOT_IMPLEMENTED,
            StatusCode::FORBIDDEN,
        ];
        if refusals.contains(&response.status()) {
            // Some servers, and addresses signed for GET, refuse HEAD. The content is dropped
            // unread.
            response = self.send(Method::GET).await?;
        }
        let response = self.successful(response)?;
        let version = version(&response);
        let modified = version.as_ref().and_then(|version| version.modified);
        if let (Some(modified), Some(now)) = (modified, time(&response, &DATE))
            && now - modified < SETTLED_AFTER_S
        {
            return Ok(None);
        }
        Ok(version)
    }

    /// Asks for the content.
    ///
    /// # Errors
    /// As [`version`](Self::version).
    pub(super) async fn get(&self) -> Result<Answer, Failure> {
        let response = self.successful(self.send(Method::GET).await?)?;
        let next = async |mut response: Response| match response.chunk().await {
            Ok(piece) => Ok(piece.map(|piece| (piece, response))),
            Err(error) => Err(causes(&error)),
        };
        Ok(Answer {
            version: version(&response),
            size: size(&response),
            body: stream::try_unfold(response, next).boxed(),
        })
    }

    /// Sends the request until there is an answer other than a failure of the server, `retries`
    /// times more at most.
    async fn send(&self, method: Method) -> Result<Response, Failure> {
        let mut url = self.url.clone();
        url.set_query(self.query.as_ref().map(|query| query.expose_secret()));
        let (mut attempt, mut pause) = (0, PAUSES.0);
        loop {
            let mut request = self.client.request(method.clone(), url.clone());
            if let Some((user, password)) = &self.user {
                request = request.basic_auth(user, Some(password.expose_secret()));
            }
            let answer = request.send().await;
            let is_final = match &answer {
                Ok(response) => {
                    let transient = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
                    let status = response.status();
                    !transient.contains(&status) && !status.is_server_error()
                }
                Err(error) => error.is_redirect() || error.is_builder(),
            };
            if is_final || attempt >= self.retries {
                return answer.map_err(|error| unreachable::failure(&self.name, causes(&error)));
            }
            attempt += 1;
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    fn successful(&self, response: Response) -> Result<Response, Failure> {
        let status = response.status();
        match status {
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(unreachable::absent(&self.name, status.as_u16())),
            _ if status.is_success() => Ok(response),
            _ => Err(unreachable::failure(
                &self.name,
                format!("the server answers {status}"),
            )),
        }
    }
}

/// A client that trusts the authorities of `tls`, and goes to this machine without a proxy.
pub(super) fn client(
    settings: &Settings,
    tls: &rustls::ClientConfig,
    connect_timeout: Duration,
    is_here: bool,
) -> Result<Client, Failure> {
    let builder = Client::builder()
        .tls_backend_preconfigured(tls.clone())
        .user_agent(concat!("database-load/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect_timeout)
        .read_timeout(Duration::from_secs(settings.read_timeout_s))
        .redirect(redirects(settings.allow_http));
    let builder = if is_here {
        builder.no_proxy()
    } else {
        proxies()?.into_iter().fold(builder, ClientBuilder::proxy)
    };
    builder.build().or_exit(ExitCode::Unexpected, "HTTP client")
}

/// The proxies of the environment. By itself the client would go without one whose address it does
/// not understand.
fn proxies() -> Result<Vec<Proxy>, Failure> {
    type Scheme = fn(String) -> reqwest::Result<Proxy>;
    let schemes: [([&str; 2], Scheme); 3] = [
        (["HTTPS_PROXY", "https_proxy"], Proxy::https),
        (["HTTP_PROXY", "http_proxy"], Proxy::http),
        (["ALL_PROXY", "all_proxy"], Proxy::all),
    ];
    let mut proxies = Vec::new();
    for (names, proxy) in schemes {
        let set = names
            .into_iter()
            .find_map(|name| Some((name, settings::variable(name)?)));
        // The client has no SOCKS; such a variable is meant for others.
        let Some((name, address)) = set.filter(|(_, address)| !address.starts_with("socks")) else {
            continue;
        };
        let made = proxy(address).map_err(|_| {
            let message = format!("{name}: an address like http://proxy.example.com:3128 is expected");
            Failure::new(ExitCode::Usage, message)
        })?;
        proxies.push(made.no_proxy(NoProxy::from_env()));
    }
    Ok(proxies)
}

/// Never from TLS to plain text, unless plain text is allowed there anyway.
fn redirects(allow_http: bool) -> redirect::Policy {
    redirect::Policy::custom(move |attempt| {
        if attempt.previous().len() > MAX_REDIRECTS {
            return attempt.error("more than five redirects");
        }
        if allow_http || attempt.url().scheme() != "http" || is_this_machine(attempt.url()) {
            return attempt.follow();
        }
        attempt.error("a redirect to http://, which is not allowed")
    })
}

/// Refuses plain text to other machines, unless it is allowed.
pub(super) fn check_scheme(name: &str, url: &Url, allow_http: bool) -> Result<(), Failure> {
    if url.scheme() != "http" || allow_http || is_this_machine(url) {
        return Ok(());
    }
    let message = format!(
        "{name}: http:// is for this machine only; use https://, or allow it with SOURCE_ALLOW_HTTP=true"
    );
    Err(Failure::new(ExitCode::Usage, message))
}

fn version(response: &Response) -> Option<ObjectVersion> {
    let e_tag = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok());
    ObjectVersion {
        e_tag: e_tag.map(str::to_owned),
        size: size(response),
        modified: time(response, &LAST_MODIFIED),
    }
    .known()
}

/// The length that the server states; an answer in chunks has none.
fn size(response: &Response) -> Option<u64> {
    let length = response.headers().get(CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

/// Seconds since 1970.
fn time(response: &Response, header: &HeaderName) -> Option<i64> {
    let text = response.headers().get(header)?.to_str().ok()?;
    Some(DateTime::parse_from_rfc2822(text).ok()?.timestamp())
}

/// The causes without the address, which may hold secrets: `Connection refused (os error 111)`.
pub(super) fn causes(error: &(dyn Error + 'static)) -> String {
    let mut parts: Vec<String> = failure::causes(error).map(ToString::to_string).collect();
    parts.dedup();
    if parts.is_empty() {
        "the request failed".into()
    } else {
        parts.join(": ")
    }
}
