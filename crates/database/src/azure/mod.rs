//! Tokens of Microsoft Entra ID in place of a password, for a managed identity.
//!
//! `azure_identity` is not used: its metadata address is fixed and its authority must be HTTPS, so
//! that no test can stand in for them.

mod answer;
mod source;

use std::time::{Duration, Instant};

use reqwest::header::RETRY_AFTER;
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use rustls::RootCertStore;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;
use tracing::{info, warn};

pub(crate) use self::answer::NoToken;
use self::answer::Token;
use self::source::Source;
use crate::settings::{Invalid, Settings};

/// The token of one process, asked for when a connection needs it.
pub(crate) struct Tokens {
    source: Source,
    audience: String,
    kept: Mutex<Kept>,
}

/// What was last received.
#[derive(Default)]
struct Kept {
    token: Option<Token>,
    /// The last failure, and until when nobody asks again.
    failure: Option<(NoToken, Instant)>,
}

/// A token for one attempt to log in.
pub(crate) struct Lent {
    pub(crate) secret: SecretString,
    /// Whether it was asked for just now, so that a server that refuses it would refuse another.
    pub(crate) is_new: bool,
}

/// PostgreSQL in the public cloud.
const AUDIENCE: &str = "https://ossrdbms-aad.database.windows.net";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Limit of one request for a token.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// A token that is about to end is used as long as it has this left.
const LAST_USE: Duration = Duration::from_secs(10);

/// Time between two requests while the token in use still works.
const PAUSE: Duration = Duration::from_secs(10);

/// Bytes of an answer that are read.
const MOST_BYTES: usize = 64 * 1024;

impl Tokens {
    /// # Errors
    /// [`Invalid`] names the setting that cannot be used.
    pub(crate) fn new(settings: &Settings) -> Result<Tokens, Invalid> {
        let audience = settings.azure_audience.as_deref().map(str::trim);
        let audience = audience.filter(|audience| !audience.is_empty());
        Ok(Tokens {
            source: Source::new(settings)?,
            audience: audience.unwrap_or(AUDIENCE).to_owned(),
            kept: Mutex::default(),
        })
    }

    /// A token that is not about to end. Callers that come meanwhile wait for the same request.
    ///
    /// # Errors
    /// [`NoToken`], within a few seconds.
    pub(crate) async fn token(&self) -> Result<Lent, NoToken> {
        let mut kept = self.kept.lock().await;
        let now = Instant::now();
        let kept_token = kept.token.clone();
        if let Some(token) = kept_token.as_ref().filter(|token| now < token.renewal) {
            return Ok(Lent::again(token));
        }
        let usable = kept_token.filter(|token| now + LAST_USE < token.ends);
        if let Some((failure, until)) = &kept.failure
            && now < *until
        {
            return usable.as_ref().map(Lent::again).ok_or_else(|| failure.clone());
        }
        match self.ask().await {
            Ok(token) => {
                let valid_s = token.ends.saturating_duration_since(now).as_secs();
                info!(
                    source = self.source.address(),
                    valid_s, "got a token for the database"
                );
                let secret = token.secret.clone();
                *kept = Kept {
                    token: Some(token),
                    failure: None,
                };
                Ok(Lent { secret, is_new: true })
            }
            Err(failure) => {
                let pause = usable.as_ref().map_or(Duration::ZERO, |_| PAUSE);
                let until = Instant::now() + failure.wait.max(pause);
                kept.failure = Some((failure.clone(), until));
                let Some(token) = usable else {
                    return Err(failure);
                };
                warn!(problem = %failure, "the token for the database is not renewed yet");
                Ok(Lent::again(&token))
            }
        }
    }

    /// Drops a token that the server refused, unless there is another one by now.
    pub(crate) async fn forget(&self, refused: &SecretString) {
        let mut kept = self.kept.lock().await;
        let is_refused = |token: &Token| token.secret.expose_secret() == refused.expose_secret();
        if kept.token.as_ref().is_some_and(is_refused) {
            kept.token = None;
        }
    }

    async fn ask(&self) -> Result<Token, NoToken> {
        let address = self.source.address();
        let problem = |problem: String, is_passing| NoToken {
            problem: format!("no token from the identity service {address}: {problem}"),
            is_passing,
            wait: Duration::ZERO,
        };
        let late = |error: &reqwest::Error| {
            let causes = process::failure::line(error);
            problem(format!("{causes}{}", self.source.hint()), true)
        };
        let http = self.client().await.map_err(|error| problem(error, false))?;
        let request = self
            .source
            .request(&http, &self.audience)
            .map_err(|error| problem(error, false))?;
        let sent = request.send().await;
        let response = sent.map_err(|error| late(&error.without_url()))?;
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER).cloned();
        let body = body(response).await.map_err(|error| late(&error.without_url()))?;
        let answer = match status.is_success() {
            true => answer::token(&body, &self.audience),
            false => {
                let retry_after = retry_after.as_ref().and_then(|value| value.to_str().ok());
                Err(answer::refusal(status, retry_after, &body))
            }
        };
        answer.map_err(|failure| NoToken {
            problem: format!("no token: the identity service {address} {failure}"),
            ..failure
        })
    }

    /// A client for one request: requests are rare, and certificates may change meanwhile.
    async fn client(&self) -> Result<Client, String> {
        let tls = match self.source.url().scheme() {
            "https" => tokio::task::spawn_blocking(process::tls::client)
                .await
                .map_err(|ended| ended.to_string())?
                .map_err(|error| error.to_string())?,
            // Nothing is encrypted, so no authority is needed.
            _ => process::tls::trusting(RootCertStore::empty()).map_err(|error| error.to_string())?,
        };
        let builder = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(Policy::none())
            .pool_max_idle_per_host(0)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT);
        let builder = match self.source.is_local() {
            true => builder.no_proxy(),
            false => builder,
        };
        builder.build().map_err(|error| process::failure::line(&error))
    }
}

impl Lent {
    fn again(token: &Token) -> Lent {
        Lent {
            secret: token.secret.clone(),
            is_new: false,
        }
    }
}

/// The body up to its limit; what follows is no token.
async fn body(mut response: Response) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > MOST_BYTES {
            break;
        }
    }
    Ok(body)
}
