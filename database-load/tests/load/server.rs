//! A web server of a test's own, which can also play a bucket of S3.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use test_support::tls_server;

/// What tells an object from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Validator {
    ETag,
    /// `Last-Modified`, so many seconds before the first request could come.
    SecondsOld(i64),
    /// None at all, and no length either: the answer comes in chunks.
    Chunked,
}

#[derive(Clone, Debug)]
struct Object {
    bytes: Vec<u8>,
    validator: Validator,
    modified: DateTime<Utc>,
}

/// What goes wrong next.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Answers so, with this body.
    Status(u16, &'static str),
    /// Breaks off in the middle of an answer to GET.
    CutOff,
    Redirect(String),
    /// Stops in the middle of an answer to GET until the server goes.
    Stall,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Object>,
    faults: VecDeque<Fault>,
    requests: Vec<String>,
    authorizations: Vec<String>,
}

/// Gone when dropped: no request is answered any more.
pub(crate) struct Server {
    address: SocketAddr,
    scheme: &'static str,
    /// Certificate of the authority that signed the server's, PEM.
    pub(crate) authority: PathBuf,
    state: Arc<Mutex<State>>,
    is_over: Arc<AtomicBool>,
}

impl Server {
    pub(crate) fn start() -> Server {
        Server::on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(), None)
    }

    pub(crate) fn start_tls() -> Server {
        let (config, authority_pem) = tls_server(&["localhost", "127.0.0.1"]);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut server = Server::on(listener, Some(config));
        let name = format!("authority-{}.pem", server.address.port());
        server.authority = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&server.authority, authority_pem).unwrap();
        server
    }

    fn on(listener: TcpListener, tls: Option<Arc<ServerConfig>>) -> Server {
        let address = listener.local_addr().unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let state: Arc<Mutex<State>> = Arc::default();
        let is_over: Arc<AtomicBool> = Arc::default();
        let (shared, over) = (Arc::clone(&state), Arc::clone(&is_over));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::Acquire) {
                    return;
                }
                let (state, over, tls) = (Arc::clone(&shared), Arc::clone(&over), tls.clone());
                std::thread::spawn(move || {
                    let Ok(mut stream) = stream else { return };
                    match tls {
                        None => serve(&mut stream, &state, &over),
                        Some(tls) => {
                            let connection = ServerConnection::new(tls).unwrap();
                            let mut stream = StreamOwned::new(connection, stream);
                            serve(&mut stream, &state, &over);
                            stream.conn.send_close_notify();
                            let _ = stream.flush();
                        }
                    }
                });
            }
        });
        Server {
            address,
            scheme,
            authority: PathBuf::new(),
            state,
            is_over,
        }
    }

    /// `https://localhost:1234` and this path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://localhost:{}{path}", self.scheme, self.address.port())
    }

    pub(crate) fn put(&self, path: &str, bytes: impl Into<Vec<u8>>, validator: Validator) {
        let age = match validator {
            Validator::SecondsOld(seconds) => seconds,
            _ => 0,
        };
        let object = Object {
            bytes: bytes.into(),
            validator,
            modified: Utc::now() - chrono::TimeDelta::seconds(age),
        };
        self.state.lock().unwrap().objects.insert(path.into(), object);
    }

    pub(crate) fn remove(&self, path: &str) {
        self.state.lock().unwrap().objects.remove(path);
    }

    /// The next answers are these, whatever is asked.
    pub(crate) fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state.lock().unwrap().faults.extend(faults);
    }

    /// Nothing goes wrong any more.
    pub(crate) fn recover(&self) {
        self.state.lock().unwrap().faults.clear();
    }

    /// Methods and paths of the requests since the last call.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().requests)
    }

    /// Headers `Authorization` since the last call.
    pub(crate) fn authorizations(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().authorizations)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        // Wakes the listener, which then goes.
        let _ = TcpStream::connect(self.address);
        let _ = std::fs::remove_file(&self.authority);
    }
}

/// One request, one answer.
fn serve(stream: &mut (impl Read + Write), state: &Mutex<State>, is_over: &AtomicBool) {
    let mut head = String::new();
    let mut authorization = None;
    {
        let mut reader = BufReader::new(&mut *stream);
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap_or(0) > 2 {
            if head.is_empty() {
                head = line.trim_end().to_owned();
            }
            if let Some((name, value)) = line.split_once(": ")
                && name.eq_ignore_ascii_case("authorization")
            {
                authorization = Some(value.trim_end().to_owned());
            }
            line.clear();
        }
    }
    let mut words = head.split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return;
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = &path.replace("%20", " ");
    let (fault, object, listing) = {
        let mut state = state.lock().unwrap();
        state.requests.push(format!("{method} {target}"));
        state.authorizations.extend(authorization);
        let cut_waits =
            matches!(state.faults.front(), Some(Fault::CutOff | Fault::Stall)) && method == "HEAD";
        let fault = if cut_waits { None } else { state.faults.pop_front() };
        let listing = query
            .contains("list-type=2")
            .then(|| list(&state.objects, path, query));
        (fault, state.objects.get(path.as_str()).cloned(), listing)
    };
    let is_stalled = matches!(fault, Some(Fault::Stall));
    let _ = stream.write_all(&answer(method, fault, object, listing));
    let _ = stream.flush();
    while is_stalled && !is_over.load(Ordering::Acquire) {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

fn answer(method: &str, fault: Option<Fault>, object: Option<Object>, listing: Option<String>) -> Vec<u8> {
    let date = Utc::now().format("%a, %d %b %Y %H:%M:%S GMT");
    let head = |status: &str, headers: &str| {
        format!("HTTP/1.1 {status}\r\nDate: {date}\r\nConnection: close\r\n{headers}\r\n").into_bytes()
    };
    match (&fault, object, listing) {
        (Some(Fault::Status(status, body)), ..) => {
            let mut answer = head(
                &format!("{status} Said so"),
                &format!("Content-Length: {}\r\n", body.len()),
            );
            if method == "GET" {
                answer.extend(body.as_bytes());
            }
            answer
        }
        (Some(Fault::Redirect(to)), ..) => {
            head("302 Found", &format!("Location: {to}\r\nContent-Length: 0\r\n"))
        }
        (_, _, Some(listing)) => {
            let mut answer = head("200 OK", &format!("Content-Length: {}\r\n", listing.len()));
            answer.extend(listing.into_bytes());
            answer
        }
        (_, None, None) => head("404 Not Found", "Content-Length: 0\r\n"),
        (_, Some(object), None) => {
            let mut headers = match object.validator {
                Validator::Chunked => "Transfer-Encoding: chunked\r\n".to_owned(),
                _ => format!("Content-Length: {}\r\n", object.bytes.len()),
            };
            // What proxies and shops send along.
            headers +=
                "Content-Disposition: attachment; filename=\"men\u{fc}.csv\"\r\nContent-Type: text/csv\r\n";
            match object.validator {
                Validator::ETag => {
                    let _ = write!(
                        headers,
                        "ETag: {}\r\nLast-Modified: Wed, 01 Jan 2025 00:00:00 GMT\r\n",
                        e_tag(&object.bytes)
                    );
                }
                Validator::SecondsOld(_) => {
                    let modified = object.modified.format("%a, %d %b %Y %H:%M:%S GMT");
                    let _ = write!(headers, "Last-Modified: {modified}\r\n");
                }
                Validator::Chunked => (),
            }
            let mut answer = head("200 OK", &headers);
            if method == "GET" {
                let mut body = object.bytes;
                if object.validator == Validator::Chunked {
                    body = [
                        format!("{:x}\r\n", body.len()).into_bytes(),
                        body,
                        b"\r\n0\r\n\r\n".to_vec(),
                    ]
                    .concat();
                }
                if fault.is_some() {
                    body.truncate(body.len() / 2);
                }
                answer.extend(body);
            }
            answer
        }
    }
}

fn e_tag(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    let sum = sha2::Sha256::digest(bytes);
    format!("\"{}\"", hex::encode(&sum[..8]))
}

/// The answer of S3 to ListObjectsV2, for what begins with the bucket's path.
fn list(objects: &BTreeMap<String, Object>, bucket: &str, query: &str) -> String {
    let value = |name: &str| {
        let value = query
            .split('&')
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_default().replace("%2F", "/")
    };
    let (prefix, delimiter) = (value("prefix"), value("delimiter"));
    let mut contents = String::new();
    for (path, object) in objects {
        let Some(key) = path.strip_prefix(bucket).and_then(|key| key.strip_prefix('/')) else {
            continue;
        };
        let Some(rest) = key.strip_prefix(&prefix) else {
            continue;
        };
        if !delimiter.is_empty() && rest.contains(&delimiter) {
            continue;
        }
        let _ = write!(
            contents,
            "<Contents><Key>{key}</Key><LastModified>2025-01-01T00:00:00.123Z</LastModified>\
             <ETag>{}</ETag><Size>{}</Size></Contents>",
            e_tag(&object.bytes).replace('"', "&quot;"),
            object.bytes.len()
        );
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
    )
}
