//! A receiver of webhooks on loopback, with TLS or without.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

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
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Mutex::new(Shared {
            answer: answer.to_owned(),
            requests: Vec::new(),
        }));
        let receiver = Self {
            url: format!("{scheme}://{address}/hook"),
            authority: String::new(),
            shared: shared.clone(),
        };
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let (shared, tls) = (shared.clone(), tls.clone());
                std::thread::spawn(move || match tls {
                    None => serve(&mut stream, &shared),
                    Some(tls) => {
                        let connection = ServerConnection::new(tls).expect("a connection");
                        serve(&mut StreamOwned::new(connection, stream), &shared)
                    }
                });
            }
        });
        receiver
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

/// One request, one answer; none to a connection that only checks, and to a client that does not
/// trust the certificate.
fn serve(stream: &mut (impl Read + Write), shared: &Mutex<Shared>) -> Option<()> {
    let received = receive(stream)?;
    let answer = {
        let mut shared = shared.lock().expect("no thread panics with it");
        shared.requests.push(received);
        shared.answer.clone()
    };
    while answer.is_empty() {
        std::thread::park();
    }
    let head = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    stream.flush().ok()
}

fn receive(stream: &mut impl Read) -> Option<Received> {
    let mut input = BufReader::new(stream);
    input.read_line(&mut String::new()).ok()?;
    let mut headers = HeaderMap::new();
    loop {
        let mut line = String::new();
        input.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        let name: HeaderName = name.parse().expect("a name");
        headers.append(name, HeaderValue::from_str(value).expect("a value"));
    }
    let length = headers.get("content-length")?.to_str().ok()?;
    let mut body = vec![0; length.parse().ok()?];
    input.read_exact(&mut body).ok()?;
    Some(Received {
        headers,
        body: String::from_utf8(body).expect("a body in UTF-8"),
    })
}
