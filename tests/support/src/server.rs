//! A small HTTP/1.1 server of a test: one request on each connection.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A request that was read to its end.
#[derive(Clone, Debug)]
pub struct Request {
    /// Method, path with query, and version.
    pub line: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, as long as Content-Length says.
    pub body: Vec<u8>,
}

/// The answer to a request.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Code and reason, as `200 OK`; lines of headers may follow.
    pub status: String,
    /// Lines, each with its end.
    pub headers: String,
    /// Its body.
    pub body: Vec<u8>,
}

/// Answers requests at a port of 127.0.0.1 until the process ends, each on a thread of its own.
/// Connections that only check, and those of clients that refuse the certificate, bring none.
///
/// # Panics
/// When no port can be bound.
pub fn serve(
    tls: Option<Arc<ServerConfig>>,
    answer: impl Fn(Request) -> Reply + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (tls, answer) = (tls.clone(), answer.clone());
            std::thread::spawn(move || match tls {
                None => exchange(stream, &*answer),
                Some(tls) => {
                    let connection = ServerConnection::new(tls).expect("a connection");
                    exchange(StreamOwned::new(connection, stream), &*answer)
                }
            });
        }
    });
    address
}

fn exchange(mut stream: impl Read + Write, answer: impl Fn(Request) -> Reply) -> Option<()> {
    let Reply {
        status,
        headers,
        body,
    } = answer(request(&mut stream)?);
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}Connection: close\r\n\r\n");
    stream.write_all(&[head.as_bytes(), &body].concat()).ok()?;
    stream.flush().ok()
}

fn request(stream: &mut impl Read) -> Option<Request> {
    let mut input = BufReader::new(stream);
    let mut line = String::new();
    if input.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut headers = HeaderMap::new();
    loop {
        let mut line = String::new();
        input.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        let name: HeaderName = name.parse().expect("a name");
        headers.append(name, HeaderValue::from_str(value.trim()).expect("a value"));
    }
    let length = headers.get("content-length").map_or(0, |length| {
        length.to_str().unwrap_or_default().parse().unwrap_or(0)
    });
    let mut body = vec![0; length];
    input.read_exact(&mut body).ok()?;
    Some(Request { line, headers, body })
}
