//! Poolers between a program and the server: whether a connection is a session of its own.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, DuplexStream, ReadBuf};
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

/// What helps, whatever a pooler does.
pub(crate) const TO_DO: &str = "connect directly or in session mode (DATABASE_DIRECT_URL, or DATABASE_URL)";

/// How long a pooler that has a session to give may take to answer.
const ANSWER: Duration = Duration::from_secs(2);

/// How the sessions of the server are handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// To connections, for as long as they last; also without a pooler.
    Sessions,
    /// To transactions: the next statement may meet another session.
    Transactions,
    /// To statements: there are no transactions.
    Statements,
    /// To connections, and no second one got any.
    OneSession,
}

impl Pooling {
    /// What a program that needs sessions of its own cannot do with, as the end of a sentence.
    pub(crate) fn problem(self) -> Option<&'static str> {
        match self {
            Self::Sessions => None,
            Self::Transactions => Some(
                "pools transactions (PgBouncer: pool_mode=transaction), which keeps neither locks nor LISTEN nor \
                 prepared statements",
            ),
            Self::Statements => {
                Some("pools statements (PgBouncer: pool_mode=statement), which allows no transactions")
            }
            Self::OneSession => Some("gave no second session within 2 s (pool size 1, or all in use)"),
        }
    }
}

/// Finds out how the sessions behind `first` are handed out; nothing was sent on it before. A
/// `second` connection is opened when `first` is not the server itself.
///
/// # Errors
/// `unreachable` when no server answers, and those of `second`.
pub(crate) async fn detect<E>(
    first: &Client,
    second: impl Future<Output = Result<Client, E>>,
    unreachable: impl Fn(Box<dyn std::error::Error + Send + Sync>) -> E,
) -> Result<Pooling, E> {
    let session = match answer(pid(first)).await {
        Ok(Some(session)) => session,
        Ok(None) => {
            return Err(unreachable(
                "no answer to the first question within 2 s (a pooler without a free session?)".into(),
            ));
        }
        Err(error) => return Err(unreachable(Box::new(error))),
    };
    if announced(first).await == Some(session) {
        return Ok(Pooling::Sessions);
    }
    let second = second.await?;
    compare(first, &second, session)
        .await
        .map_err(|error| unreachable(Box::new(error)))
}

/// While `second` has a transaction open, `first` asks again which process serves it. Then both
/// end their transactions, in either order: a pooler gives the session that was free last or first.
async fn compare(first: &Client, second: &Client, session: i32) -> Result<Pooling, Error> {
    let other = match answer(begin(second)).await {
        Ok(Some(other)) => other,
        Ok(None) => return Ok(Pooling::OneSession),
        Err(error) if forbids_transactions(&error) => return Ok(Pooling::Statements),
        Err(error) => return Err(error),
    };
    if other == session || answer(pid(first)).await? != Some(session) {
        return Ok(Pooling::Transactions);
    }
    for (earlier, later) in [(first, second), (second, first)] {
        if answer(begin(first)).await? != Some(session) {
            return Ok(Pooling::Transactions);
        }
        earlier.batch_execute("COMMIT").await?;
        later.batch_execute("COMMIT").await?;
        if answer(begin(second)).await? != Some(other) {
            return Ok(Pooling::Transactions);
        }
    }
    second.batch_execute("COMMIT").await?;
    Ok(Pooling::Sessions)
}

/// As PgBouncer says it: `transaction blocks not allowed in statement pooling mode`.
fn forbids_transactions(error: &Error) -> bool {
    error.as_db_error().is_some_and(|error| {
        *error.code() == SqlState::PROTOCOL_VIOLATION && error.message().contains("statement pooling")
    })
}

async fn answer<T>(question: impl Future<Output = Result<T, Error>>) -> Result<Option<T>, Error> {
    match tokio::time::timeout(ANSWER, question).await {
        Ok(answer) => answer.map(Some),
        Err(_) => Ok(None),
    }
}

async fn begin(client: &Client) -> Result<i32, Error> {
    client.batch_execute("BEGIN").await?;
    pid(client).await
}

/// The process that serves the connection at this moment.
async fn pid(client: &Client) -> Result<i32, Error> {
    let none: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 0] = [];
    client
        .query_typed_one("SELECT pg_backend_pid()", &none)
        .await?
        .try_get(0)
}

/// The process that was announced when the connection began. A pooler announces a number of its
/// own.
///
/// tokio-postgres tells it in a request to cancel only, so that one is written into memory.
async fn announced(client: &Client) -> Option<i32> {
    let (ours, mut theirs) = tokio::io::duplex(64);
    // Whether TLS is offered, in case it is asked.
    tokio::io::AsyncWriteExt::write_all(&mut theirs, b"S")
        .await
        .ok()?;
    client
        .cancel_token()
        .cancel_query_raw(ours, InMemory)
        .await
        .ok()?;
    let mut sent = Vec::new();
    theirs.read_to_end(&mut sent).await.ok()?;
    // Length, code, process, key; four bytes each.
    let process = sent.last_chunk::<8>()?.first_chunk::<4>()?;
    Some(i32::from_be_bytes(*process))
}

/// No encryption where none is needed.
struct InMemory;

struct Plain(DuplexStream);

impl TlsConnect<DuplexStream> for InMemory {
    type Stream = Plain;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<Plain>>;

    fn connect(self, stream: DuplexStream) -> Self::Future {
        std::future::ready(Ok(Plain(stream)))
    }
}

impl TlsStream for Plain {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Plain {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Plain {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
