//! A small HTTP/1.1 client that sends exactly the bytes it is told to.

use std::io::{Error, ErrorKind, Result};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpStream, ToSocketAddrs};

/// A request; its body may be framed in any way.
#[derive(Clone, Debug)]
pub struct Request {
    /// In any case.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// In their order; `Host` and the framing of the body are added.
    pub headers: Vec<(String, Vec<u8>)>,
    body: Option<Vec<u8>>,
    chunked: bool,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// One connection: requests may follow each other.
#[derive(Debug)]
pub struct Connection {
    input: BufReader<OwnedReadHalf>,
    output: OwnedWriteHalf,
}

impl Request {
    /// Without headers and body.
    #[must_use]
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.into(),
            target: target.into(),
            headers: Vec::new(),
            body: None,
            chunked: false,
        }
    }

    /// GET of a path.
    #[must_use]
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// POST of JSON.
    #[must_use]
    pub fn post(target: &str, json: impl AsRef<[u8]>) -> Self {
        Self::new("POST", target).json(json)
    }

    /// One more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.into(), value.as_ref().to_vec()));
        self
    }

    /// A body with its Content-Length.
    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = Some(body.as_ref().to_vec());
        self
    }

    /// The same, of JSON.
    #[must_use]
    pub fn json(self, json: impl AsRef<[u8]>) -> Self {
        self.header("Content-Type", "application/json").body(json)
    }

    /// A body in chunks, without Content-Length.
    #[must_use]
    pub fn chunked(mut self, body: impl AsRef<[u8]>) -> Self {
        self.chunked = true;
        self.body(body)
    }

    /// The request as it is sent.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\nHost: shop\r\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{name}: ").as_bytes());
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        let body = self.body.as_deref().unwrap_or_default();
        match (&self.body, self.chunked) {
            (None, _) => bytes.extend_from_slice(b"\r\n"),
            (Some(_), false) => {
                bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
                bytes.extend_from_slice(body);
            }
            (Some(_), true) => {
                bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                for chunk in body.chunks(60_000) {
                    bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
            }
        }
        bytes
    }
}

impl Answer {
    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The only value of a header; none when it is absent.
    ///
    /// # Panics
    /// When there are several.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let values = self.all(name);
        assert!(values.len() <= 1, "{name} is there more than once: {values:?}");
        values.first().copied()
    }

    /// Every value of a header.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = |header: &&(String, String)| header.0.eq_ignore_ascii_case(name);
        let named = self.headers.iter().filter(named);
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The body.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// The body in UTF-8.
    ///
    /// # Panics
    /// When it is not.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body in JSON.
    ///
    /// # Panics
    /// When it is not.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A member of the body's object, as it is written; empty when it is absent.
    #[must_use]
    pub fn member(&self, name: &str) -> String {
        match self.json().get(name) {
            Some(Value::String(text)) => text.clone(),
            other => other.map(Value::to_string).unwrap_or_default(),
        }
    }

    /// Status and `type`: what tests of errors compare.
    #[must_use]
    pub fn error(&self) -> (u16, String) {
        (self.status, self.member("type"))
    }
}

/// One request on a connection of its own.
///
/// # Errors
/// Those of [`Connection::exchange`], and when nothing listens.
pub async fn ask(address: impl ToSocketAddrs, request: &Request) -> Result<Answer> {
    Connection::open(address).await?.exchange(request).await
}

impl Connection {
    /// A new connection.
    ///
    /// # Errors
    /// When nothing listens.
    pub async fn open(address: impl ToSocketAddrs) -> Result<Self> {
        Self::over(TcpStream::connect(address).await?)
    }

    /// The same over a stream.
    ///
    /// # Errors
    /// When the stream is closed already.
    pub fn over(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        let (input, output) = stream.into_split();
        Ok(Self {
            input: BufReader::new(input),
            output,
        })
    }

    /// Sends while it reads: the answer may come before the request is out.
    ///
    /// # Errors
    /// Those of [`Connection::answer`].
    pub async fn exchange(&mut self, request: &Request) -> Result<Answer> {
        let bytes = request.bytes();
        let head = request.method == "HEAD";
        // The server may close early; what matters is the answer.
        let send = self.output.write_all(&bytes);
        let (_, answer) = tokio::join!(send, read(&mut self.input, head));
        answer
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the connection is closed.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.output.write_all(bytes.as_ref()).await
    }

    /// Closes the way to the server; answers may still come.
    ///
    /// # Errors
    /// When the connection is closed.
    pub async fn half_close(&mut self) -> Result<()> {
        self.output.shutdown().await
    }

    /// The next answer, to another request than HEAD.
    ///
    /// # Errors
    /// `ConnectionAborted` when the connection was closed before it, `UnexpectedEof` in its middle.
    pub async fn answer(&mut self) -> Result<Answer> {
        read(&mut self.input, false).await
    }

    /// A line without its end; none when the connection ends before.
    pub async fn line(&mut self) -> Option<String> {
        line(&mut self.input).await
    }
}

async fn read(input: &mut BufReader<OwnedReadHalf>, head: bool) -> Result<Answer> {
    let mut status = 100;
    while status == 100 {
        let first = line(input).await.ok_or(ErrorKind::ConnectionAborted)?;
        if !first.is_empty() {
            let code = first.split(' ').nth(1).and_then(|status| status.parse().ok());
            status = code.ok_or_else(|| Error::new(ErrorKind::InvalidData, first))?;
        }
    }
    let mut headers = Vec::new();
    while let Some((name, value)) = within(input).await?.split_once(':') {
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut answer = Answer {
        status,
        headers,
        body: Vec::new(),
    };
    if head || status == 204 || status == 304 {
        return Ok(answer);
    }
    if let Some(length) = answer.header("content-length") {
        answer.body = vec![0; length.parse().expect("a length")];
        input.read_exact(&mut answer.body).await?;
        return Ok(answer);
    }
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"), "{answer:?}");
    loop {
        let size = within(input).await?;
        let mut chunk = vec![0; usize::from_str_radix(&size, 16).expect("the size of a chunk")];
        input.read_exact(&mut chunk).await?;
        within(input).await?;
        if chunk.is_empty() {
            return Ok(answer);
        }
        answer.body.extend_from_slice(&chunk);
    }
}

/// A line within an answer.
async fn within(input: &mut BufReader<OwnedReadHalf>) -> Result<String> {
    Ok(line(input).await.ok_or(ErrorKind::UnexpectedEof)?)
}

/// A line without its end; none when the connection ends before.
async fn line(input: &mut BufReader<OwnedReadHalf>) -> Option<String> {
    let mut line = String::new();
    let _ = input.read_line(&mut line).await.ok()?;
    let line = line.strip_suffix('\n')?;
    Some(line.strip_suffix('\r').unwrap_or(line).to_owned())
}
