//! `order-food health`: the probe of containers without a shell or curl.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use process::failure::{ExitCode, Failure};
use url::{Position, Url};

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
    Server::parse(&url)?.answer("GET", None, "")
}

/// The address of an HTTP server with the path that is asked for.
pub(super) struct Server {
    address: SocketAddr,
    url: Url,
}

impl Server {
    /// Reads `http://host:port/path` and looks the host up; without a port it is 80.
    pub(super) fn parse(url: &str) -> Result<Server, Failure> {
        let parsed = Url::parse(url).ok().filter(|_| url.starts_with("http://"));
        let found = parsed.and_then(|url| {
            let address = url.socket_addrs(|| None).ok()?.into_iter().next()?;
            Some(Server { address, url })
        });
        found.ok_or_else(|| {
            let problem = format!("--url: {url} is not of the form http://host:port/path");
            Failure::new(ExitCode::Usage, problem)
        })
    }

    /// Another path of the same server.
    pub(super) fn at(&self, path: &str) -> Server {
        let mut url = self.url.clone();
        url.set_path(path);
        url.set_query(None);
        Server {
            address: self.address,
            url,
        }
    }

    /// The body of a 2xx answer to a request with an API key and a body of JSON; GET has none.
    pub(super) fn send(&self, method: &str, api_key: Option<&str>, body: &str) -> Result<String, Failure> {
        let (body, good) = self.answer(method, api_key, body)?;
        good.map(|()| body)
    }

    /// The body, and the failure that says what was answered instead of a 2xx.
    fn answer(
        &self,
        method: &str,
        api_key: Option<&str>,
        body: &str,
    ) -> Result<(String, Result<(), Failure>), Failure> {
        let unhealthy =
            |problem: String| Failure::new(ExitCode::Unexpected, format!("{}: {problem}", self.url));
        let target = &self.url[Position::BeforePath..Position::AfterQuery];
        let host = &self.url[Position::BeforeHost..Position::AfterPort];
        let mut head = format!("{method} {target} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n");
        if let Some(key) = api_key {
            head.push_str(&format!("X-API-Key: {key}\r\n"));
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
