use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use process::exit::{ExitCode, Failure};

const TIMEOUT: Duration = Duration::from_secs(2);

/// Asks `url` (`http://host:port/path`) and returns the body of a 2xx answer: what container probes need, without a shell
/// or curl in the image.
///
/// # Errors
/// Exit code 2 for a URL that is not of that form; 1 when nobody answers within 2 s, or not with 2xx.
pub fn probe(url: &str) -> Result<String, Failure> {
    let usage = || {
        Failure::new(
            ExitCode::Usage,
            format!("--url: {url} is not of the form http://host:port/path"),
        )
    };
    let rest = url.strip_prefix("http://").ok_or_else(usage)?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let authority = if authority.contains(':') {
        authority.to_owned()
    } else {
        format!("{authority}:80")
    };
    let address = authority
        .to_socket_addrs()
        .map_err(|_| usage())?
        .next()
        .ok_or_else(usage)?;

    let unhealthy = |problem: String| Failure::new(ExitCode::Unexpected, format!("{url}: {problem}"));
    let answer = ask(address, &authority, path).map_err(|error| unhealthy(error.to_string()))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status.starts_with('2') {
        Ok(body.to_owned())
    } else {
        Err(unhealthy(format!("answered {status} {body}")))
    }
}

fn ask(address: std::net::SocketAddr, authority: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    // HTTP/1.0: the answer is not chunked and ends with the connection.
    write!(
        stream,
        "GET /{path} HTTP/1.0\r\nHost: {authority}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.take(64 * 1024).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
