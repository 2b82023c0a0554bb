//! A small HTTP/1.1 client for what wrk cannot do: other methods, a pace, streams of events.

use anyhow::{Context, ensure};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// A connection to a server of this machine, with an API key.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    key: &'static str,
}

impl Client {
    pub(crate) async fn connect(port: u16, key: &'static str) -> anyhow::Result<Client> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        // A thousand of them stand in one process.
        let stream = BufReader::with_capacity(1_024, stream);
        Ok(Client { stream, key })
    }

    /// Sends a JSON body and reads the answer, which must be 200.
    pub(crate) async fn send(&mut self, method: &str, path: &str, body: &str) -> anyhow::Result<()> {
        let length = self.begin(method, path, body).await?;
        let mut answer = vec![0; length.context("no Content-Length")?];
        self.stream.read_exact(&mut answer).await?;
        Ok(())
    }

    /// Asks for a stream of events, and reads the head of the answer.
    pub(crate) async fn follow(&mut self, path: &str) -> anyhow::Result<()> {
        self.begin("GET", path, "").await.map(drop)
    }

    /// Waits for the event with this id.
    pub(crate) async fn until_event(&mut self, id: u32) -> anyhow::Result<()> {
        let wanted = format!("id: {id}");
        let mut line = String::new();
        while line.trim_end() != wanted {
            line.clear();
            ensure!(
                self.stream.read_line(&mut line).await? > 0,
                "the stream has ended"
            );
        }
        Ok(())
    }

    /// The length of the body to come.
    async fn begin(&mut self, method: &str, path: &str, body: &str) -> anyhow::Result<Option<usize>> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: shop\r\napi_key: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.key,
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes()).await?;
        let mut length = None;
        let mut line = String::new();
        self.stream.read_line(&mut line).await?;
        ensure!(line.starts_with("HTTP/1.1 200 "), "{method} {path}: {line}");
        loop {
            line.clear();
            ensure!(self.stream.read_line(&mut line).await? > 0, "no answer");
            match line.trim_end().split_once(": ") {
                None => return Ok(length),
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = Some(value.parse()?);
                }
                Some(_) => {}
            }
        }
    }
}
