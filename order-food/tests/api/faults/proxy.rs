//! A wire to PostgreSQL that can be cut at COMMIT.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What happens on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Wire {
    /// Everything passes.
    Whole,
    /// The next COMMIT of a transaction that may write reaches the server, its answer is lost; then the wire is whole again.
    AnswerLost,
    /// The next COMMIT is lost itself; then the wire is whole again.
    CommitLost,
    /// As `AnswerLost`, and nothing passes any more.
    AnswerLostThenAway,
    /// As `CommitLost`, and nothing passes any more.
    CommitLostThenAway,
    /// Nothing passes.
    Away,
}

/// The wire; cut for good when dropped.
#[derive(Clone)]
pub(super) struct Proxy {
    address: SocketAddr,
    server: SocketAddr,
    state: Arc<State>,
}

struct State {
    wire: AtomicU8,
    cuts: AtomicUsize,
}

const STATES: [Wire; 6] = [
    Wire::Whole,
    Wire::AnswerLost,
    Wire::CommitLost,
    Wire::AnswerLostThenAway,
    Wire::CommitLostThenAway,
    Wire::Away,
];

impl Proxy {
    /// A wire to the server at `url`, and the URL that leads over it.
    pub(super) async fn start(url: &str) -> (Proxy, String) {
        let (before, after) = url.split_once("@127.0.0.1:").unwrap();
        let (port, database) = after.split_once('/').unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let proxy = Proxy {
            address: listener.local_addr().unwrap(),
            server: SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap())),
            state: Arc::new(State {
                wire: AtomicU8::new(Wire::Whole as u8),
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

    pub(super) fn set(&self, wire: Wire) {
        self.state.wire.store(wire as u8, Ordering::SeqCst);
    }

    /// How often a COMMIT was met by a cut.
    pub(super) fn cuts(&self) -> usize {
        self.state.cuts.load(Ordering::SeqCst)
    }

    fn wire(&self) -> Wire {
        STATES[usize::from(self.state.wire.load(Ordering::SeqCst))]
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
        let mut read_only = false;
        loop {
            tokio::select! {
                read = from_client.read(&mut request) => {
                    let Ok(count @ 1..) = read else { return };
                    let bytes = &request[..count];
                    read_only |= contains(bytes, b"READ ONLY");
                    let commit = contains(bytes, b"COMMIT\0");
                    if commit && !read_only && self.wire() != Wire::Whole {
                        self.state.cuts.fetch_add(1, Ordering::SeqCst);
                        let wire = self.wire();
                        if matches!(wire, Wire::AnswerLost | Wire::AnswerLostThenAway) {
                            let _ = to_server.write_all(bytes).await;
                            // The server has done it once it has answered; nobody hears that.
                            let _ = from_server.read(&mut answer).await;
                        }
                        let whole = matches!(wire, Wire::AnswerLost | Wire::CommitLost);
                        self.set(if whole { Wire::Whole } else { Wire::Away });
                        return;
                    }
                    read_only &= !commit;
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

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}
