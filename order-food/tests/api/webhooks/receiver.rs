//! A receiver of webhooks on loopback, with TLS or without.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use test_support::tls_server;

/// Keeps what it is sent, and answers 204 or not at all.
pub(crate) struct Receiver {
    pub(crate) url: String,
    /// Certificate of the authority that signed the receiver's, PEM; empty without TLS.
    pub(crate) authority: tempfile::NamedTempFile,
    shared: Arc<Shared>,
}

/// A request that was read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// Names in lower case.
    pub(crate) headers: Value,
    pub(crate) body: String,
}

#[derive(Default)]
struct Shared {
    requests: Mutex<Vec<Received>>,
    is_silent: AtomicBool,
}

impl Receiver {
    pub(crate) fn start() -> Receiver {
        Receiver::start_with("http", None, "")
    }

    /// With a certificate for 127.0.0.1 of an authority that nobody knows.
    pub(crate) fn start_tls() -> Receiver {
        let (config, pem) = tls_server(&["127.0.0.1"]);
        Receiver::start_with("https", Some(config), &pem)
    }

    fn start_with(scheme: &str, tls: Option<Arc<ServerConfig>>, pem: &str) -> Receiver {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut authority = tempfile::NamedTempFile::new().unwrap();
        authority.write_all(pem.as_bytes()).unwrap();
        let receiver = Receiver {
            url: format!("{scheme}://{}/hook", listener.local_addr().unwrap()),
            authority,
            shared: Arc::default(),
        };
        let shared = receiver.shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, shared, tls) = (stream.unwrap(), shared.clone(), tls.clone());
                std::thread::spawn(move || match tls {
                    None => shared.serve(&mut stream),
                    Some(tls) => {
                        let connection = ServerConnection::new(tls).unwrap();
                        shared.serve(&mut StreamOwned::new(connection, stream));
                    }
                });
            }
        });
        receiver
    }

    pub(crate) fn requests(&self) -> Vec<Received> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// From now on, requests are not answered, or are again.
    pub(crate) fn be_silent(&self, is_silent: bool) {
        self.shared.is_silent.store(is_silent, Ordering::Relaxed);
    }
}

impl Received {
    /// Whether it was signed with this secret.
    pub(crate) fn verifies(&self, secret: &str) -> bool {
        let headers = self.headers.as_object().unwrap().iter();
        let headers = headers.map(|(name, value)| {
            let name: hyper::header::HeaderName = name.parse().unwrap();
            (name, value.as_str().unwrap().parse().unwrap())
        });
        let webhook = standardwebhooks::Webhook::new(secret).unwrap();
        webhook.verify(self.body.as_bytes(), &headers.collect()).is_ok()
    }
}

impl Shared {
    /// One request; every event ends in two braces.
    fn serve(&self, stream: &mut (impl Read + Write)) {
        let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
        while !text.ends_with(b"}}") {
            match stream.read(&mut buffer) {
                Ok(length @ 1..) => text.extend_from_slice(&buffer[..length]),
                // A connection that only checks, or a client that does not trust the certificate.
                _ => return,
            }
        }
        let text = String::from_utf8(text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let header = |line: &str| -> Option<(String, Value)> {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_lowercase(), json!(value)))
        };
        self.requests.lock().unwrap().push(Received {
            headers: head.lines().filter_map(header).collect(),
            body: body.to_owned(),
        });
        while self.is_silent.load(Ordering::Relaxed) {
            std::thread::park();
        }
        let answer = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
        let _ = stream.write_all(answer.as_bytes()).and_then(|()| stream.flush());
    }
}
