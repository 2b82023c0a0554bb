//! Requests that wrk cannot make: other methods, a pace, streams of events.

use anyhow::{Context, ensure};
use test_support::http::{Connection, Request};

/// A connection to a server of this machine, with an API key.
pub(crate) struct Client {
    connection: Connection,
    key: &'static str,
}

impl Client {
    pub(crate) async fn connect(port: u16, key: &'static str) -> anyhow::Result<Client> {
        let connection = Connection::open(("127.0.0.1", port)).await?;
        Ok(Client { connection, key })
    }

    /// Sends a JSON body and reads the answer, which must be 200.
    pub(crate) async fn send(&mut self, method: &str, path: &str, body: &str) -> anyhow::Result<()> {
        let request = Request::new(method, path).header("api_key", self.key);
        let answer = self.connection.exchange(&request.json(body)).await?;
        ensure!(answer.status() == 200, "{method} {path}: {answer:?}");
        Ok(())
    }

    /// Asks for a stream of events; [`Client::until_event`] reads it.
    pub(crate) async fn follow(&mut self, path: &str) -> anyhow::Result<()> {
        let request = Request::get(path).header("api_key", self.key);
        self.connection.send(request.bytes()).await?;
        let line = self.connection.line().await.unwrap_or_default();
        ensure!(line.starts_with("HTTP/1.1 200 "), "{path}: {line}");
        Ok(())
    }

    /// Waits for the event with this id.
    pub(crate) async fn until_event(&mut self, id: u32) -> anyhow::Result<()> {
        let wanted = format!("id: {id}");
        while self.connection.line().await.context("the stream has ended")? != wanted {}
        Ok(())
    }
}
