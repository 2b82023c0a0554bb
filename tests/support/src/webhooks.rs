//! A receiver of webhooks on loopback, with TLS or without.

use std::sync::{Arc, Mutex};

use hyper::HeaderMap;
use rustls::ServerConfig;

use crate::server::{Reply, Request, serve};

/// Keeps each request, and gives all of them the same answer.
#[derive(Clone, Debug)]
pub struct Receiver {
    /// Where it is.
    pub url: String,
    /// Certificate of the authority that signed the receiver's, PEM; empty without TLS.
    pub authority: String,
    shared: Arc<Mutex<Shared>>,
}

/// A request that was read to its end.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: String,
}

#[derive(Debug)]
struct Shared {
    answer: String,
    requests: Vec<Received>,
}

impl Receiver {
    /// One that answers 204.
    #[must_use]
    pub fn start() -> Self {
        Self::answering("204 No Content")
    }

    /// One with another answer; see [`Receiver::answer`].
    #[must_use]
    pub fn answering(answer: &str) -> Self {
        Self::over("http", None, answer)
    }

    /// One that answers 204, with a certificate for 127.0.0.1 of an authority that nobody knows.
    #[must_use]
    pub fn start_tls() -> Self {
        let (config, authority) = crate::tls_server(&["127.0.0.1"]);
        let receiver = Self::over("https", Some(config), "204 No Content");
        Self {
            authority,
            ..receiver
        }
    }

    fn over(scheme: &str, tls: Option<Arc<ServerConfig>>, answer: &str) -> Self {
        let shared = Arc::new(Mutex::new(Shared {
            answer: answer.to_owned(),
            requests: Vec::new(),
        }));
        let keeping = shared.clone();
        let address = serve(tls, move |Request { headers, body, .. }| {
            let answer = {
                let mut shared = keeping.lock().expect("no thread panics with it");
                let body = String::from_utf8(body).expect("a body in UTF-8");
                shared.requests.push(Received { headers, body });
                shared.answer.clone()
            };
            while answer.is_empty() {
                std::thread::park();
            }
            Reply {
                status: answer,
                headers: String::new(),
                body: Vec::new(),
            }
        });
        Self {
            url: format!("{scheme}://{address}/hook"),
            authority: String::new(),
            shared,
        }
    }

    /// From now on the answer is this: status with reason, and lines of headers. Empty: requests
    /// stay without an answer.
    pub fn answer(&self, answer: &str) {
        answer.clone_into(&mut self.shared.lock().expect("no thread panics with it").answer);
    }

    /// How many requests came.
    #[must_use]
    pub fn count(&self) -> usize {
        self.requests().len()
    }

    /// The requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Received> {
        let shared = self.shared.lock().expect("no thread panics with it");
        shared.requests.clone()
    }
}

impl Received {
    /// Whether it was signed with this secret.
    #[must_use]
    pub fn verifies(&self, secret: &str) -> bool {
        let webhook = standardwebhooks::Webhook::new(secret).expect("a secret");
        webhook.verify(self.body.as_bytes(), &self.headers).is_ok()
    }
}
