//! A small HTTP/1.1 client that tells an answer from a connection that broke.

use std::io::{Error, ErrorKind, Result};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// A connection that is kept; requests follow each other.
pub(crate) struct Connection(BufReader<TcpStream>);

/// A request; `Connection::send` adds `Host` and `Content-Length`.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    line: String,
    headers: String,
    body: String,
}

impl Request {
    pub(crate) fn get(path: &str) -> Request {
        Request {
            line: format!("GET {path}"),
            headers: String::new(),
            body: String::new(),
        }
    }

    /// An order placed with the sample key.
    pub(crate) fn order(body: impl ToString) -> Request {
        Request::post("/api/order", body)
    }

    /// A body sent with the sample key.
    pub(crate) fn post(path: &str, body: impl ToString) -> Request {
        Request {
            line: format!("POST {path}"),
            headers: "api_key: apitest\r\nContent-Type: application/json\r\n".into(),
            body: body.to_string(),
        }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Request {
        self.headers += &format!("{name}: {value}\r\n");
        self
    }

    fn head(&self) -> String {
        let (line, headers, length) = (&self.line, &self.headers, self.body.len());
        format!("{line} HTTP/1.1\r\nHost: shop\r\n{headers}Content-Length: {length}\r\n\r\n")
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("an answer in UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A member of the answer's object, as it is written.
    pub(crate) fn member(&self, name: &str) -> String {
        match &self.json()[name] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

impl Connection {
    pub(crate) async fn open(port: u16) -> Result<Connection> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Connection(BufReader::new(stream)))
    }

    pub(crate) async fn send(&mut self, request: &Request) -> Result<Answer> {
        self.write(&(request.head() + &request.body)).await?;
        self.answer().await
    }

    /// Sends everything but the last byte of the body; [`Connection::finish`] sends that.
    pub(crate) async fn begin(&mut self, request: &Request) -> Result<()> {
        let text = request.head() + &request.body;
        self.write(text.split_at(text.len() - 1).0).await
    }

    pub(crate) async fn finish(&mut self, request: &Request) -> Result<Answer> {
        self.write(request.body.split_at(request.body.len() - 1).1)
            .await?;
        self.answer().await
    }

    async fn write(&mut self, text: &str) -> Result<()> {
        self.0.write_all(text.as_bytes()).await?;
        self.0.flush().await
    }

    async fn answer(&mut self) -> Result<Answer> {
        let first = self.line().await?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| Error::new(ErrorKind::InvalidData, first))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line().await?;
            let Some((name, value)) = line.split_once(": ") else {
                break;
            };
            headers.push((name.to_owned(), value.to_owned()));
        }
        let mut answer = Answer {
            status,
            headers,
            body: Vec::new(),
        };
        let length = answer
            .header("content-length")
            .map_or(0, |length| length.parse().expect("a length"));
        answer.body.resize(length, 0);
        self.0.read_exact(&mut answer.body).await?;
        Ok(answer)
    }

    async fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line).await?;
        match line.strip_suffix("\r\n") {
            Some(line) => Ok(line.to_owned()),
            None => Err(Error::new(ErrorKind::UnexpectedEof, "the answer ends early")),
        }
    }
}
