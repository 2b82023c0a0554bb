//! A receiver of webhooks on loopback.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A receiver that gives the same answer to each request, and keeps the requests.
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    answer: Arc<Mutex<String>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    /// An empty answer: it never answers.
    pub(super) async fn answering(answer: &str) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Receiver {
            address: listener.local_addr().unwrap(),
            answer: Arc::new(Mutex::new(answer.to_owned())),
            requests: Arc::default(),
        };
        let (answer, requests) = (receiver.answer.clone(), receiver.requests.clone());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (answer, requests) = (answer.clone(), requests.clone());
                tokio::spawn(async move {
                    let mut text = Vec::new();
                    let mut buffer = [0; 4096];
                    while !text.ends_with(b"}") {
                        match stream.read(&mut buffer).await {
                            Ok(length @ 1..) => text.extend_from_slice(&buffer[..length]),
                            _ => return,
                        }
                    }
                    requests.lock().unwrap().push(String::from_utf8(text).unwrap());
                    let answer = answer.lock().unwrap().clone();
                    if answer.is_empty() {
                        std::future::pending::<()>().await;
                    }
                    let head = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                    let _ = stream.write_all(head.as_bytes()).await;
                });
            }
        });
        receiver
    }

    pub(super) fn answer(&self, answer: &str) {
        *self.answer.lock().unwrap() = answer.to_owned();
    }

    pub(super) fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// Headers and body of a request.
    pub(super) fn request(&self, index: usize) -> (hyper::HeaderMap, String) {
        let request = self.requests.lock().unwrap()[index].clone();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let headers = head.lines().skip(1).map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.parse().unwrap(), value.parse().unwrap())
        });
        let headers: Vec<(hyper::header::HeaderName, hyper::header::HeaderValue)> = headers.collect();
        (headers.into_iter().collect(), body.to_owned())
    }
}
