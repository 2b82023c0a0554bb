//! A small HTTP/1.1 client that sends exactly the bytes it is told to.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};

use crate::contract;

/// A request; its body may be framed in any way.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    body: Option<Vec<u8>>,
    chunked: bool,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// One connection: requests may follow each other.
pub(crate) struct Connection {
    input: BufReader<OwnedReadHalf>,
    output: OwnedWriteHalf,
}

/// How long an answer may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

impl Request {
    pub(crate) fn new(method: &str, target: &str) -> Request {
        Request {
            method: method.into(),
            target: target.into(),
            headers: Vec::new(),
            body: None,
            chunked: false,
        }
    }

    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Request {
        self.headers.push((name.into(), value.as_ref().to_vec()));
        self
    }

    /// A body with its Content-Length.
    pub(crate) fn body(mut self, body: impl AsRef<[u8]>) -> Request {
        self.body = Some(body.as_ref().to_vec());
        self
    }

    /// A body in chunks, without Content-Length.
    pub(crate) fn chunked(mut self, body: impl AsRef<[u8]>) -> Request {
        self.chunked = true;
        self.body(body)
    }

    fn bytes(&self) -> Vec<u8> {
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
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// The only value of a header; none when it is absent.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let values = self.all(name);
        assert!(
            values.len() <= 1,
            "{name} stands {} times: {values:?}",
            values.len()
        );
        values.first().copied()
    }

    /// Every value of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = |header: &&(String, String)| header.0.eq_ignore_ascii_case(name);
        self.headers
            .iter()
            .filter(named)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.body
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The `type` of an error.
    pub(crate) fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap_or_default().to_owned()
    }

    /// Status and `type`: what tests of errors compare.
    pub(crate) fn error(&self) -> (u16, String) {
        (self.status, self.kind())
    }

    /// The address of the next page.
    pub(crate) fn next_page(&self) -> Option<String> {
        let link = self.header("link")?;
        let target = link
            .strip_prefix('<')
            .and_then(|rest| rest.strip_suffix(">; rel=\"next\""));
        Some(target.unwrap_or_else(|| panic!("{link}")).to_owned())
    }
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Connection {
        Connection::over(TcpStream::connect(address).await.unwrap())
    }

    /// The same from another of this machine's addresses.
    pub(crate) async fn open_from(source: [u8; 4], address: SocketAddr) -> Connection {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((source, 0).into()).unwrap();
        Connection::over(socket.connect(address).await.unwrap())
    }

    fn over(stream: TcpStream) -> Connection {
        stream.set_nodelay(true).unwrap();
        let (input, output) = stream.into_split();
        Connection {
            input: BufReader::new(input),
            output,
        }
    }

    /// Sends while it reads: the answer may come before the request is out. It is checked against
    /// the API's description.
    pub(crate) async fn exchange(&mut self, request: &Request) -> Answer {
        let bytes = request.bytes();
        let send = async {
            // The server may close early; what matters is what it answered.
            let _ = self.output.write_all(&bytes).await;
        };
        let head = request.method == "HEAD";
        let ((), answer) = tokio::join!(send, read_answer(&mut self.input, head));
        let answer = answer.unwrap_or_else(|| panic!("no answer to {} {}", request.method, request.target));
        contract::check(request, &answer);
        answer
    }

    /// Sends a request for a page, which the API's description knows nothing of.
    pub(crate) async fn visit(&mut self, request: &Request) -> Answer {
        self.send(request.bytes()).await;
        self.answer().await.expect("an answer")
    }

    /// Sends bytes as they are.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.output.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads until a line contains the text; false when the server closes before.
    pub(crate) async fn until(&mut self, text: &str) -> bool {
        while let Some(line) = line(&mut self.input).await {
            if line.contains(text) {
                return true;
            }
        }
        false
    }

    /// The status of an answer that has no end; its headers and body are left unread.
    pub(crate) async fn status_alone(&mut self, request: &Request) -> u16 {
        self.send(request.bytes()).await;
        let line = line(&mut self.input).await.expect("an answer");
        line.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// Closes the way to the server; answers may still come.
    pub(crate) async fn half_close(&mut self) {
        self.output.shutdown().await.unwrap();
    }

    /// The status of the next interim response (1xx).
    pub(crate) async fn interim(&mut self) -> u16 {
        let read = async {
            let status_line = line(&mut self.input).await.unwrap();
            assert_eq!(line(&mut self.input).await.as_deref(), Some(""));
            status_line.split(' ').nth(1).unwrap().parse().unwrap()
        };
        tokio::time::timeout(PATIENCE, read)
            .await
            .expect("an interim response in time")
    }

    /// The next answer; none when the server has closed the connection.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        read_answer(&mut self.input, false).await
    }
}

async fn read_answer(input: &mut BufReader<OwnedReadHalf>, head: bool) -> Option<Answer> {
    tokio::time::timeout(PATIENCE, read(input, head))
        .await
        .expect("an answer in time")
}

async fn read(input: &mut BufReader<OwnedReadHalf>, head: bool) -> Option<Answer> {
    let status_line = line(input).await?;
    let status = status_line.split(' ').nth(1).unwrap().parse().unwrap();
    if status == 100 {
        line(input).await?;
        return Box::pin(read(input, head)).await;
    }
    let mut headers = Vec::new();
    loop {
        let line = line(input).await?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut answer = Answer {
        status,
        headers,
        body: Vec::new(),
    };
    if head || status == 204 || status == 304 {
        return Some(answer);
    }
    if let Some(length) = answer.header("content-length") {
        answer.body = vec![0; length.parse().unwrap()];
        input.read_exact(&mut answer.body).await.unwrap();
    } else {
        assert_eq!(answer.header("transfer-encoding"), Some("chunked"), "{answer:?}");
        loop {
            let size = usize::from_str_radix(&line(input).await?, 16).unwrap();
            let mut chunk = vec![0; size];
            input.read_exact(&mut chunk).await.unwrap();
            line(input).await?;
            if size == 0 {
                break;
            }
            answer.body.extend_from_slice(&chunk);
        }
    }
    Some(answer)
}

/// A line without its end; none at the end of the connection.
async fn line(input: &mut BufReader<OwnedReadHalf>) -> Option<String> {
    let mut line = String::new();
    match input.read_line(&mut line).await {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(line.trim_end_matches(['\r', '\n']).to_owned()),
    }
}
