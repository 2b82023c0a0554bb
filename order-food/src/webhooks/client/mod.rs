//! The HTTP client for webhooks: one POST, no redirects, no proxies, a bounded answer.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, DATE, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;

use super::connect::GuardedConnector;

/// A POST that is to be made.
pub(super) struct Post<'a> {
    pub(super) url: &'a str,
    /// `webhook-id`, the same for each attempt.
    pub(super) id: &'a str,
    /// `webhook-timestamp`, seconds since 1970.
    pub(super) timestamp: i64,
    /// `webhook-signature`.
    pub(super) signatures: String,
    pub(super) body: Bytes,
}

/// The answer of a receiver, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// The header `Retry-After`, at most a day.
    pub(super) retry_after: Option<Duration>,
}

/// No complete answer. The texts hold neither URL nor secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("the request cannot be written")]
    Unwritable(#[source] hyper::http::Error),
    #[error("the receiver cannot be reached")]
    Unreachable(#[source] hyper_util::client::legacy::Error),
    #[error("the answer breaks off")]
    BrokenOff(#[source] hyper::Error),
    #[error("no complete answer within {} s", .0.as_secs())]
    Late(Duration),
}

/// Sends webhooks. Cheap to clone; connections are kept for 30 s.
#[derive(Clone)]
pub(super) struct WebhookClient {
    http: Client<HttpsConnector<GuardedConnector>, Full<Bytes>>,
    limit: Duration,
}

/// Bytes of an answer's body that are read; the connection of a longer one is closed.
const MOST_ANSWER_BYTES: usize = 64 * 1024;

/// Bytes of an answer's head.
const MOST_HEAD_BYTES: usize = 64 * 1024;

/// `Retry-After` is not obeyed beyond this.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

const KEPT_OPEN: Duration = Duration::from_secs(30);

impl WebhookClient {
    /// A client whose requests end after `limit`, answer included. It trusts the authorities of the
    /// system (and those of `SSL_CERT_FILE`).
    ///
    /// # Errors
    /// When rustls refuses its own defaults.
    pub(super) fn new(allow_private: bool, limit: Duration) -> Result<WebhookClient, rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(GuardedConnector { allow_private });
        let http = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(KEPT_OPEN)
            .pool_max_idle_per_host(4)
            .http1_max_buf_size(MOST_HEAD_BYTES)
            .build(connector);
        Ok(WebhookClient { http, limit })
    }

    /// Makes the POST. The answer of a receiver that says more than 64 KiB counts by its status.
    ///
    /// # Errors
    /// [`SendError`], within the limit.
    pub(super) async fn send(&self, post: Post<'_>) -> Result<Answer, SendError> {
        let request = request(post).map_err(SendError::Unwritable)?;
        let exchange = async {
            let response = self.http.request(request).await.map_err(SendError::Unreachable)?;
            let answer = Answer {
                status: response.status(),
                retry_after: retry_after(&response),
            };
            read(response.into_body()).await.map_err(SendError::BrokenOff)?;
            Ok(answer)
        };
        timeout(self.limit, exchange)
            .await
            .unwrap_or(Err(SendError::Late(self.limit)))
    }
}

fn request(post: Post<'_>) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    Request::post(post.url)
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .header(
            USER_AGENT,
            HeaderValue::from_static(concat!("order-food/", env!("CARGO_PKG_VERSION"))),
        )
        .header("webhook-id", post.id)
        .header("webhook-timestamp", post.timestamp)
        .header("webhook-signature", post.signatures)
        .body(Full::new(post.body))
}

/// Reads the body to its end, so that the connection can be used again, or up to the limit.
async fn read(mut body: Incoming) -> Result<(), hyper::Error> {
    let mut left = MOST_ANSWER_BYTES;
    while let Some(frame) = body.frame().await {
        let length = frame?.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(length) {
            Some(rest) => left = rest,
            None => break,
        }
    }
    Ok(())
}

/// The delay that the receiver asks for: seconds, or the time until a date.
fn retry_after(response: &Response<Incoming>) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    let delay = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let until = httpdate::parse_http_date(text).ok()?;
            // By the receiver's own clock where it tells the time.
            let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
            let now = date.and_then(|date| httpdate::parse_http_date(date).ok());
            until
                .duration_since(now.unwrap_or_else(SystemTime::now))
                .unwrap_or_default()
        }
    };
    Some(delay.min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests;
