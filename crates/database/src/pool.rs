//! The pool of the API's connections.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::TimeoutType;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::{ConnectionError, QueryResult};
use diesel_async::pooled_connection::deadpool::{Object, Pool as Deadpool, PoolError};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use futures_util::FutureExt;
use process::failure;
use tracing::debug;

use crate::connect::Database;
use crate::pooling::Pooling;

/// A connection of a [`Pool`], to be [released](PooledConnection::release) after its last answer.
///
/// Dropped without that (a time-out, a caller that went away), it is closed instead of reused: a
/// statement may still run on it, and the next caller would queue behind that statement.
pub struct PooledConnection(Option<Object<AsyncPgConnection>>);

/// Limit of a statement's wait for a lock; a waiting statement occupies a connection.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// Connections, opened when first needed and kept. Cheap to clone.
///
/// A connection is not tested before use (that would cost a round trip each time): the first
/// statement may fail on a dead one, and the caller tries again on another. Each statement ends
/// after the settings' statement time-out. Behind a pooler that pools transactions, each read is a
/// transaction that leaves nothing on the session: no setting, no prepared statement.
#[derive(Clone)]
pub struct Pool {
    connections: Deadpool<AsyncPgConnection>,
    wait: Duration,
    database: Database,
}

/// What the statements of a read see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Isolation {
    /// Each the rows that are committed by then.
    ReadCommitted,
    /// All the same.
    RepeatableRead,
}

/// How many connections there are.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// The most there may be.
    pub most: usize,
    /// Open connections, in use or idle.
    pub open: usize,
    /// Idle connections.
    pub idle: usize,
    /// Callers that wait for one.
    pub waiting: usize,
}

/// No connection could be had.
#[derive(Debug, thiserror::Error)]
pub enum NoConnection {
    /// All are in use, and none was released in time.
    #[error("no database connection became free within {} ms", .0.as_millis())]
    Busy(Duration),
    /// A new one could not be opened.
    #[error("no database connection could be opened")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A read that brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No connection.
    #[error(transparent)]
    Connection(#[from] NoConnection),
    /// The database refuses the query, or the connection was lost again and again.
    #[error("the database does not answer the query")]
    Query(#[source] Error),
    /// No answer came in time.
    #[error("no answer from the database within {} ms", .0.as_millis())]
    Late(Duration),
}

impl ReadError {
    /// Whether the database could not be asked at all, rather than having refused.
    pub fn is_unreachable(&self) -> bool {
        match self {
            ReadError::Connection(_) | ReadError::Late(_) => true,
            ReadError::Query(error) => is_lost(error),
        }
    }
}

/// Whether the error means a lost connection, and so nothing about the statement.
pub fn is_lost(error: &Error) -> bool {
    use DatabaseErrorKind::{ClosedConnection, UnableToSendCommand};
    match error {
        Error::DatabaseError(ClosedConnection | UnableToSendCommand, _) => true,
        // The last word of a session that was ended; its SQLSTATE does not come through.
        Error::DatabaseError(_, answer) => answer.message().starts_with("terminating connection"),
        Error::BrokenTransactionManager => true,
        _ => false,
    }
}

impl Pool {
    /// A pool of at most `size` connections (at least 1); a caller waits at most `wait` for one.
    pub fn new(database: &Database, size: usize, wait: Duration) -> Pool {
        let mut config = ManagerConfig::default();
        config.recycling_method = RecyclingMethod::Fast;
        let opening = database.clone();
        // The runtime that polls a socket must outlive its users: not the HTTP worker that opened
        // it.
        let runtime = tokio::runtime::Handle::try_current().ok();
        config.custom_setup = Box::new(move |_| {
            let database = opening.clone();
            match &runtime {
                Some(runtime) => {
                    let opened = runtime.spawn(async move { open(&database).await });
                    async move {
                        opened
                            .await
                            .unwrap_or_else(|ended| Err(ConnectionError::BadConnection(ended.to_string())))
                    }
                    .boxed()
                }
                None => async move { open(&database).await }.boxed(),
            }
        });
        let manager = AsyncDieselConnectionManager::new_with_config("", config);
        #[expect(clippy::expect_used, reason = "fails only for time-outs without a runtime")]
        let connections = Deadpool::builder(manager)
            .max_size(size.max(1))
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(wait))
            .build()
            .expect("a pool with a runtime");
        Pool {
            connections,
            wait,
            database: database.clone(),
        }
    }

    /// A connection from the pool.
    ///
    /// # Errors
    /// [`NoConnection`], within the pool's wait, and twice the connect time-out for a new one.
    pub async fn get(&self) -> Result<PooledConnection, NoConnection> {
        match self.connections.get().await {
            Ok(connection) => Ok(PooledConnection(Some(connection))),
            Err(PoolError::Timeout(TimeoutType::Wait)) => Err(NoConnection::Busy(self.wait)),
            Err(PoolError::Backend(error)) => Err(NoConnection::Failed(Box::new(error))),
            Err(error) => Err(NoConnection::Failed(Box::new(error))),
        }
    }

    /// Runs a read within `limit`. Dead connections are replaced; a query that the server ended is
    /// repeated once on another connection: its session may have been shut down, or its plan
    /// outdated.
    ///
    /// # Errors
    /// [`ReadError`], within `limit`.
    pub async fn read<T>(
        &self,
        limit: Duration,
        query: impl AsyncFn(&mut AsyncPgConnection) -> QueryResult<T>,
    ) -> Result<T, ReadError> {
        self.read_in(Isolation::ReadCommitted, limit, query).await
    }

    /// As [`read`](Self::read), in a read-only transaction: all statements see one state of the
    /// database.
    ///
    /// # Errors
    /// [`ReadError`], within `limit`.
    pub async fn read_one_state<T>(
        &self,
        limit: Duration,
        query: impl AsyncFn(&mut AsyncPgConnection) -> QueryResult<T>,
    ) -> Result<T, ReadError> {
        self.read_in(Isolation::RepeatableRead, limit, query).await
    }

    async fn read_in<T>(
        &self,
        isolation: Isolation,
        limit: Duration,
        query: impl AsyncFn(&mut AsyncPgConnection) -> QueryResult<T>,
    ) -> Result<T, ReadError> {
        let attempts = self.usage().most + 1;
        let read = async {
            let mut refused = false;
            for attempt in 1.. {
                let mut connection = self.get().await?;
                let begin = begin(&self.database, isolation).await;
                let rows = match &begin {
                    None => query(&mut connection).await,
                    Some(begin) => match connection.batch_execute(begin).await {
                        Ok(()) => {
                            let rows = query(&mut connection).await;
                            end(&mut connection, rows).await
                        }
                        Err(error) => Err(error),
                    },
                };
                let error = match rows {
                    Ok(rows) => {
                        connection.release();
                        return Ok(rows);
                    }
                    Err(error) => error,
                };
                let lost = is_lost(&error);
                if !lost {
                    connection.release();
                }
                if attempt >= attempts || (!lost && std::mem::replace(&mut refused, true)) {
                    return Err(ReadError::Query(error));
                }
                debug!(error = %error, "reading again on another connection");
            }
            Err(ReadError::Late(limit))
        };
        tokio::time::timeout(limit, read)
            .await
            .unwrap_or(Err(ReadError::Late(limit)))
    }

    /// How many connections there are now.
    pub fn usage(&self) -> Usage {
        let status = self.connections.status();
        let idle = status.available;
        Usage {
            most: status.max_size,
            open: status.size,
            idle,
            waiting: status.waiting,
        }
    }
}

impl PooledConnection {
    /// Gives the connection back: the server has answered everything that was sent on it.
    pub fn release(mut self) {
        drop(self.0.take());
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(Object::take(connection));
        }
    }
}

impl Deref for PooledConnection {
    type Target = AsyncPgConnection;

    #[expect(clippy::expect_used, reason = "taken by what consumes this only")]
    fn deref(&self) -> &AsyncPgConnection {
        self.0.as_ref().expect("holds a connection until its end")
    }
}

impl DerefMut for PooledConnection {
    #[expect(clippy::expect_used, reason = "taken by what consumes this only")]
    fn deref_mut(&mut self) -> &mut AsyncPgConnection {
        self.0.as_mut().expect("holds a connection until its end")
    }
}

/// Ends the transaction of a read: a failed query is taken back.
async fn end<T>(connection: &mut AsyncPgConnection, rows: QueryResult<T>) -> QueryResult<T> {
    let end = if rows.is_ok() { "COMMIT" } else { "ROLLBACK" };
    // Where this fails, the connection is lost, and the answer of the query counts for nothing.
    connection.batch_execute(end).await?;
    rows
}

/// The statements that begin the transaction of a read; `None` where it is none.
async fn begin(database: &Database, isolation: Isolation) -> Option<String> {
    // The connection is there, so this is known.
    let pooling = database.pooling().await.unwrap_or(Pooling::Sessions);
    let begin = match isolation {
        Isolation::ReadCommitted => "BEGIN ISOLATION LEVEL READ COMMITTED",
        Isolation::RepeatableRead => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    };
    match pooling {
        Pooling::Transactions => {
            let limits = limits(database).map(|(name, value)| format!("SET LOCAL {name} = {value}"));
            Some(format!("{begin}; {}", limits.join("; ")))
        }
        _ if isolation == Isolation::RepeatableRead => Some(begin.to_owned()),
        _ => None,
    }
}

/// Settings that a read does not leave to the server.
fn limits(database: &Database) -> [(&'static str, String); 4] {
    let milliseconds = database.statement_timeout().as_millis().to_string();
    [
        ("statement_timeout", milliseconds.clone()),
        ("idle_in_transaction_session_timeout", milliseconds),
        ("lock_timeout", LOCK_TIMEOUT.as_millis().to_string()),
        ("timezone", "'UTC'".into()),
    ]
}

async fn open(database: &Database) -> diesel::ConnectionResult<AsyncPgConnection> {
    let bad =
        |error: &(dyn std::error::Error + 'static)| ConnectionError::BadConnection(failure::line(error));
    let pooling = database.pooling().await.map_err(|error| bad(&error))?;
    let mut connection = database.connect_diesel().await.map_err(|error| bad(&error))?;
    if pooling == Pooling::Transactions {
        return Ok(connection);
    }
    let limits = limits(database).map(|(name, value)| format!("SET {name} = {value}"));
    let settings = format!(
        "{}; SET idle_session_timeout = 0; SET default_transaction_isolation = 'read committed'",
        limits.join("; ")
    );
    connection
        .batch_execute(&settings)
        .await
        .map_err(|error| bad(&error))?;
    Ok(connection)
}
