//! Connections whose answers must come in time and be as the API describes them.

use std::io::ErrorKind;
use std::net::SocketAddr;

pub(crate) use test_support::http::{Answer, Request};
use test_support::{PATIENCE, http};
use tokio::net::TcpSocket;
use tokio::time::timeout;

use crate::contract;

/// One connection: requests may follow each other.
pub(crate) struct Connection(http::Connection);

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Connection {
        Connection(http::Connection::open(address).await.unwrap())
    }

    /// The same from another of this machine's addresses.
    pub(crate) async fn open_from(source: [u8; 4], address: SocketAddr) -> Connection {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((source, 0).into()).unwrap();
        Connection(http::Connection::over(socket.connect(address).await.unwrap()).unwrap())
    }

    /// Sends while it reads: the answer may come before the request is out. It is checked against
    /// the API's description.
    pub(crate) async fn exchange(&mut self, request: &Request) -> Answer {
        let answer = timeout(PATIENCE, self.0.exchange(request)).await.expect(IN_TIME);
        let answer = answer.unwrap_or_else(|error| panic!("{error}: {} {}", request.method, request.target));
        contract::check(request, &answer);
        answer
    }

    /// Sends a request for a page, which the API's description knows nothing of.
    pub(crate) async fn visit(&mut self, request: &Request) -> Answer {
        timeout(PATIENCE, self.0.exchange(request))
            .await
            .expect(IN_TIME)
            .unwrap()
    }

    /// Sends bytes as they are.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.send(bytes).await.unwrap();
    }

    /// Reads until a line contains the text; false when the server closes before.
    pub(crate) async fn until(&mut self, text: &str) -> bool {
        while let Some(line) = self.0.line().await {
            if line.contains(text) {
                return true;
            }
        }
        false
    }

    /// The status of an answer that has no end; its headers and body are left unread.
    pub(crate) async fn status_alone(&mut self, request: &Request) -> u16 {
        self.send(request.bytes()).await;
        let line = self.0.line().await.expect("an answer");
        line.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// Closes the way to the server; answers may still come.
    pub(crate) async fn half_close(&mut self) {
        self.0.half_close().await.unwrap();
    }

    /// The status of the next interim response (1xx).
    pub(crate) async fn interim(&mut self) -> u16 {
        let line = timeout(PATIENCE, self.0.line()).await.expect(IN_TIME).unwrap();
        assert_eq!(self.0.line().await.as_deref(), Some(""));
        line.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// The next answer; none when the server has closed the connection.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        match timeout(PATIENCE, self.0.answer()).await.expect(IN_TIME) {
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => None,
            answer => Some(answer.unwrap()),
        }
    }
}

const IN_TIME: &str = "an answer in time";

/// The address of the next page.
pub(crate) fn next_page(answer: &Answer) -> Option<String> {
    let link = answer.header("link")?;
    let target = link
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix(">; rel=\"next\""));
    Some(target.unwrap_or_else(|| panic!("{link}")).to_owned())
}
