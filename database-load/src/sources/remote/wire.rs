//! The HTTP client below the object stores: it knows the secrets of an address, and they do not.

use std::error::Error as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpService,
};
use process::failure::{ExitCode, Failure, OrExit as _};
use reqwest::header::{
    AUTHORIZATION, CONTENT_LENGTH, DATE, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED,
};
use reqwest::{StatusCode, Url, redirect};
use secrecy::{ExposeSecret as _, SecretString};

use crate::sources::settings::Settings;

/// The size of what comes without a length.
pub(super) const UNKNOWN_SIZE: u64 = u64::MAX;
const MAX_REDIRECTS: usize = 5;

/// When the server sent its answer, by its own clock; seconds since 1970.
#[derive(Clone, Copy)]
pub(super) struct AnsweredAt(pub(super) i64);

/// What went wrong last on the wire, in words that may be shown.
#[derive(Clone, Debug)]
pub(super) enum Problem {
    Status(StatusCode),
    NoAnswer(String),
}

#[derive(Clone, Debug)]
pub(super) struct Wire {
    client: reqwest::Client,
    /// For servers in the same room: credentials of a machine or pod.
    quick_client: reqwest::Client,
    query: Option<SecretString>,
    authorization: Option<HeaderValue>,
    problem: Arc<Mutex<Option<Problem>>>,
}

impl Wire {
    /// `host` is what is asked first: this machine is asked without a proxy.
    pub(super) fn new(
        settings: &Settings,
        tls: rustls::ClientConfig,
        host: Option<&Url>,
    ) -> Result<Wire, Failure> {
        let is_here = host.is_some_and(is_this_machine);
        let client = |connect_timeout: Duration, no_proxy: bool| {
            let builder = reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .user_agent(concat!("database-load/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(connect_timeout)
                .read_timeout(Duration::from_secs(settings.read_timeout_s))
                .redirect(redirects(settings.allow_http));
            let builder = if no_proxy { builder.no_proxy() } else { builder };
            builder.build().or_exit(ExitCode::Unexpected, "HTTP client")
        };
        Ok(Wire {
            client: client(Duration::from_secs(settings.connect_timeout_s), is_here)?,
            quick_client: client(Duration::from_secs(1), true)?,
            query: None,
            authorization: None,
            problem: Arc::default(),
        })
    }

    /// Sends the query and the user's name and password with each request.
    pub(super) fn with_secrets(
        self,
        query: Option<&SecretString>,
        user: Option<&(String, SecretString)>,
    ) -> Result<Wire, Failure> {
        let authorization = match user {
            None => None,
            Some((user, password)) => {
                let request = self.client.get("http://localhost");
                let request = request.basic_auth(user, Some(password.expose_secret())).build();
                let request = request.or_exit(ExitCode::Usage, "user and password of an address")?;
                request.headers().get(AUTHORIZATION).cloned()
            }
        };
        Ok(Wire {
            query: query.cloned(),
            authorization,
            ..self
        })
    }

    /// Takes what went wrong last.
    pub(super) fn problem(&self) -> Option<Problem> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn note(&self, problem: Option<Problem>) {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }
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

/// Whether an address leads to this machine, by its name alone.
pub(super) fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[async_trait]
impl HttpService for Wire {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if let Some(query) = &self.query {
            let whole = format!("{}?{}", request.uri(), query.expose_secret());
            let whole = whole.parse();
            *request.uri_mut() = whole.map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        }
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        self.note(None);
        // The client strips addresses off its errors.
        match self.client.call(request).await {
            Ok(mut response) => {
                let status = response.status();
                self.note((!status.is_success()).then_some(Problem::Status(status)));
                let answered_at = response.headers().get(DATE).and_then(|date| date.to_str().ok());
                let answered_at =
                    answered_at.and_then(|date| chrono::DateTime::parse_from_rfc2822(date).ok());
                if let Some(date) = answered_at {
                    response.extensions_mut().insert(AnsweredAt(date.timestamp()));
                }
                make_readable(response.headers_mut());
                // The stores insist on a length; an answer in chunks has none.
                if !response.headers().contains_key(CONTENT_LENGTH) {
                    response.headers_mut().insert(CONTENT_LENGTH, UNKNOWN_SIZE.into());
                }
                Ok(response)
            }
            Err(error) => {
                self.note(Some(Problem::NoAnswer(causes(&error))));
                Err(error)
            }
        }
    }
}

/// Takes away what the stores would refuse a whole answer for: a name of a file in UTF-8, a time in an old form.
fn make_readable(headers: &mut HeaderMap) {
    let wrong = headers.iter().filter(|(name, value)| match value.to_str() {
        Ok(text) => *name == LAST_MODIFIED && chrono::DateTime::parse_from_rfc2822(text).is_err(),
        Err(_) => true,
    });
    let wrong: Vec<HeaderName> = wrong.map(|(name, _)| name.clone()).collect();
    for name in wrong {
        headers.remove(name);
    }
}

/// The innermost words say most: `Connection refused (os error 111)`.
fn causes(error: &HttpError) -> String {
    let mut parts = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        parts.push(error.to_string());
        cause = error.source();
    }
    parts.dedup();
    parts.join(": ")
}

impl HttpConnector for Wire {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        // Only what asks for credentials says so; nobody answers it outside of a cloud.
        let is_credentials = options.get_config_value(&ClientConfigKey::AllowHttp).as_deref() == Some("true");
        let mut wire = self.clone();
        if is_credentials {
            wire.client = wire.quick_client.clone();
        }
        Ok(HttpClient::new(wire))
    }
}
