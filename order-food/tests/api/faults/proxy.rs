//! A wire to PostgreSQL that can be cut where an order is committed.
//!
//! One statement is one transaction: a Bind of a statement that inserts orders, and the Sync after
//! it, which commits.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use order_food::Settings;
use test_support::TestDatabase;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::TestApp;

/// Cuts after which the wire is whole again.
pub(crate) const CUTS: [Wire; 5] = [
    Wire::AnswerLost,
    Wire::CommitLost,
    Wire::SyncLost,
    Wire::AnswerSilent,
    Wire::CommitSilent,
];

/// What happens on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// Everything passes.
    Whole,
    /// The next orders reach the server and are committed, its answer is lost; then the wire is
    /// whole again.
    AnswerLost,
    /// The next orders do not reach the server; then the wire is whole again.
    CommitLost,
    /// The server runs the next statement and says so, but never hears that it is to commit; then
    /// the wire is whole again.
    SyncLost,
    /// As `AnswerLost`, but the connection falls silent instead of closing.
    AnswerSilent,
    /// As `CommitLost`, but the connection falls silent instead of closing.
    CommitSilent,
    /// As `AnswerLost`, and nothing passes any more.
    AnswerLostThenAway,
    /// As `CommitLost`, and nothing passes any more.
    CommitLostThenAway,
    /// Nothing passes.
    Away,
}

/// The wire; cut for good when dropped.
#[derive(Clone)]
pub(crate) struct Proxy {
    address: SocketAddr,
    server: SocketAddr,
    state: Arc<State>,
}

struct State {
    wire: Mutex<Wire>,
    cuts: AtomicUsize,
}

impl Proxy {
    /// A wire to the server at `url`, and the URL that leads over it.
    pub(crate) async fn start(url: &str) -> (Proxy, String) {
        let (before, after) = url.split_once("@127.0.0.1:").unwrap();
        let (port, database) = after.split_once('/').unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let proxy = Proxy {
            address: listener.local_addr().unwrap(),
            server: SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap())),
            state: Arc::new(State {
                wire: Mutex::new(Wire::Whole),
                cuts: AtomicUsize::new(0),
            }),
        };
        let accepting = proxy.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let proxy = accepting.clone();
                tokio::spawn(async move { proxy.forward(client).await });
            }
        });
        let port = proxy.address.port();
        (proxy, format!("{before}@127.0.0.1:{port}/{database}"))
    }

    /// A ready server over a wire to the database.
    pub(crate) async fn before(
        database: TestDatabase,
        change: impl FnOnce(&mut Settings),
    ) -> (TestApp, Proxy) {
        let (proxy, url) = Proxy::start(database.url()).await;
        let change = |settings: &mut Settings| {
            settings.database = test_support::settings(&url);
            settings.order_deadline_s = 4;
            change(settings);
        };
        (TestApp::ready_over(database, change).await, proxy)
    }

    pub(crate) fn set(&self, wire: Wire) {
        *self.state.wire.lock().unwrap() = wire;
    }

    /// How often orders were met by a cut.
    pub(crate) fn cuts(&self) -> usize {
        self.state.cuts.load(Ordering::SeqCst)
    }

    fn wire(&self) -> Wire {
        *self.state.wire.lock().unwrap()
    }

    /// Carries bytes both ways until either side closes or the wire is cut.
    async fn forward(&self, client: TcpStream) {
        if self.wire() == Wire::Away {
            return;
        }
        let Ok(server) = TcpStream::connect(self.server).await else {
            return;
        };
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let mut request = vec![0; 65_536];
        let mut answer = vec![0; 65_536];
        let mut requests = Requests::default();
        loop {
            tokio::select! {
                read = from_client.read(&mut request) => {
                    let Ok(count @ 1..) = read else { return };
                    let bytes = &mut request[..count];
                    let wire = self.wire();
                    if requests.store_orders(bytes) && wire != Wire::Whole {
                        self.state.cuts.fetch_add(1, Ordering::SeqCst);
                        if wire == Wire::SyncLost {
                            leave_uncommitted(bytes, &mut to_server, &mut from_server, &mut to_client).await;
                        } else if matches!(wire, Wire::AnswerLost | Wire::AnswerSilent | Wire::AnswerLostThenAway) {
                            let _ = to_server.write_all(bytes).await;
                            until_ready(&mut from_server).await;
                        }
                        let away = matches!(wire, Wire::AnswerLostThenAway | Wire::CommitLostThenAway);
                        self.set(if away { Wire::Away } else { Wire::Whole });
                        if matches!(wire, Wire::AnswerSilent | Wire::CommitSilent) {
                            // Both ends stay open, and no byte arrives any more.
                            while let Ok(1..) = from_client.read(&mut request).await {}
                        }
                        return;
                    }
                    if to_server.write_all(bytes).await.is_err() { return }
                }
                read = from_server.read(&mut answer) => {
                    let Ok(count @ 1..) = read else { return };
                    if to_client.write_all(&answer[..count]).await.is_err() { return }
                }
                () = tokio::time::sleep(Duration::from_millis(10)) => {
                    if self.wire() == Wire::Away { return }
                }
            }
        }
    }
}

/// Reads what the server answers, up to ReadyForQuery: then it has committed.
async fn until_ready(from_server: &mut OwnedReadHalf) {
    let mut answer = Vec::new();
    let is_ready = |answer: &[u8]| {
        let last = answer.len().checked_sub(6).map(|start| &answer[start..start + 5]);
        last == Some(b"Z\0\0\0\x05")
    };
    while !is_ready(&answer) && matches!(from_server.read_buf(&mut answer).await, Ok(1..)) {}
}

/// Passes a statement on, with a Flush instead of its Sync, and the answer back: all is said but
/// that it is committed.
async fn leave_uncommitted(
    request: &mut [u8],
    to_server: &mut OwnedWriteHalf,
    from_server: &mut OwnedReadHalf,
    to_client: &mut OwnedWriteHalf,
) {
    let sync = request.len() - 5;
    assert_eq!(request[sync..], *b"S\0\0\0\x04");
    request[sync] = b'H';
    let _ = to_server.write_all(request).await;
    let mut answer = Vec::new();
    let complete = |answer: &[u8]| contains(answer, b"INSERT 0 ") || contains(answer, b"SELECT 1\0");
    while !complete(&answer) && matches!(from_server.read_buf(&mut answer).await, Ok(1..)) {}
    let _ = to_client.write_all(&answer).await;
}

/// What a client has sent over one connection.
#[derive(Default)]
struct Requests {
    unread: Vec<u8>,
    /// The first messages have no type.
    started: bool,
    /// Prepared statements that insert orders.
    statements: HashSet<Vec<u8>>,
}

impl Requests {
    /// Whether these bytes complete the binding of a statement that inserts orders.
    fn store_orders(&mut self, bytes: &[u8]) -> bool {
        self.unread.extend_from_slice(bytes);
        let mut found = false;
        while let Some((kind, body)) = self.next() {
            let mut texts = body.split(|byte| *byte == 0);
            let (first, second) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
            match kind {
                b'P' if contains(second, b"INSERT INTO orders ") => {
                    self.statements.insert(first.to_vec());
                }
                b'B' => found |= self.statements.contains(second),
                _ => {}
            }
        }
        found
    }

    /// The next whole message: type and body; 0 before the protocol has started.
    fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        const VERSION_3: [u8; 4] = [0, 3, 0, 0];
        let typed = usize::from(self.started);
        let length = self.unread.get(typed..typed + 4)?;
        let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
        if self.unread.len() < typed + length {
            return None;
        }
        let message: Vec<u8> = self.unread.drain(..typed + length).collect();
        let (kind, body) = (if self.started { message[0] } else { 0 }, &message[typed + 4..]);
        self.started |= body.starts_with(&VERSION_3);
        Some((kind, body.to_vec()))
    }
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}
