//! `order-food health`: the probe of containers without a shell or curl.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use process::failure::{ExitCode, Failure};

use crate::settings::Settings;

const TIMEOUT: Duration = Duration::from_secs(2);

/// Most bytes of an answer that are read: a catalogue of thousands of products.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// The body of the answer to GET `url` (`http://host:port/path`), and exit code 1 if it is not a
/// 2xx; by default /health on this machine, at the port of the settings.
///
/// # Errors
/// Exit code 2 for a URL that is not of that form; 1 when nobody answers within 2 s.
pub(super) fn health(
    url: Option<String>,
    config: Option<PathBuf>,
) -> Result<(String, Result<(), Failure>), Failure> {
    let url = match url {
        Some(url) => url,
        None => format!("http://127.0.0.1:{}/health", Settings::load(config)?.port),
    };
    Url::parse(&url).map_err(usage)?.answer("GET", &[], "")
}

/// The address of an HTTP server with the path that is asked for.
pub(super) struct Url {
    address: SocketAddr,
    authority: String,
    path: String,
}

impl Url {
    /// Reads `http://host:port/path` and looks the host up; without a port it is 80.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let problem = || format!("{url} is not of the form http://host:port/path");
        let rest = url.strip_prefix("http://").ok_or_else(problem)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let authority = if authority.contains(':') {
            authority.to_owned()
        } else {
            format!("{authority}:80")
        };
        let address = authority
            .to_socket_addrs()
            .map_err(|_| problem())?
            .next()
            .ok_or_else(problem)?;
        let path = path.to_owned();
        Ok(Self {
            address,
            authority,
            path,
        })
    }

    /// Another path of the same server, which starts with a slash.
    pub(super) fn at(&self, path: &str) -> Self {
        Self {
            address: self.address,
            authority: self.authority.clone(),
            path: path.trim_start_matches('/').to_owned(),
        }
    }

    /// The body of a 2xx answer.
    pub(super) fn get(&self, headers: &[(&str, &str)]) -> Result<String, Failure> {
        self.send("GET", headers, "")
    }

    /// Sends JSON and returns the body of a 2xx answer.
    pub(super) fn post(&self, headers: &[(&str, &str)], body: &str) -> Result<String, Failure> {
        self.send("POST", headers, body)
    }

    /// The same with PUT.
    pub(super) fn put(&self, headers: &[(&str, &str)], body: &str) -> Result<String, Failure> {
        self.send("PUT", headers, body)
    }

    fn send(&self, method: &str, headers: &[(&str, &str)], body: &str) -> Result<String, Failure> {
        let (body, good) = self.answer(method, headers, body)?;
        good.map(|()| body)
    }

    /// The body, and the failure that says what was answered instead of a 2xx.
    fn answer(
        &self,
        method: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<(String, Result<(), Failure>), Failure> {
        let Self { authority, path, .. } = self;
        let unhealthy = |problem: String| {
            Failure::new(
                ExitCode::Unexpected,
                format!("http://{authority}/{path}: {problem}"),
            )
        };
        let mut head = format!("{method} /{path} HTTP/1.0\r\nHost: {authority}\r\nConnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if method != "GET" {
            let length = body.len();
            head.push_str(&format!(
                "Content-Type: application/json\r\nContent-Length: {length}\r\n"
            ));
        }
        let answer = exchange(self.address, &format!("{head}\r\n{body}"))
            .map_err(|error| unhealthy(error.to_string()))?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).unwrap_or_default();
        let good = match status.starts_with('2') {
            true => Ok(()),
            false => Err(unhealthy(format!("answered {status} {body}"))),
        };
        Ok((body.to_owned(), good))
    }
}

pub(super) fn usage(problem: String) -> Failure {
    Failure::new(ExitCode::Usage, format!("--url: {problem}"))
}

// HTTP/1.0: the answer is not chunked and ends with the connection.
fn exchange(address: SocketAddr, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MOST_BYTES).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
