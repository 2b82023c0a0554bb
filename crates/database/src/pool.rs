//! The API's connections.

use std::time::Duration;

use diesel::ConnectionError;
use diesel_async::pooled_connection::deadpool::{Object, Pool as Deadpool, PoolError};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use futures_util::FutureExt;

use crate::connect::{Database, with_causes};

/// A connection on loan from a [`Pool`].
pub type Loan = Object<AsyncPgConnection>;

/// Connections, opened when first needed and kept. Cheap to clone.
///
/// A connection is not tried out when it is lent (that would cost a round trip each time): the first statement on it may
/// find it dead, and its user tries once more on another. Each statement ends after the settings' statement time-out.
#[derive(Clone)]
pub struct Pool {
    connections: Deadpool<AsyncPgConnection>,
    wait: Duration,
}

/// How many connections there are.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// The most there may be.
    pub most: usize,
    /// Open connections, lent or idle.
    pub open: usize,
    /// Open connections that nobody uses.
    pub idle: usize,
    /// Callers that wait for one.
    pub waiting: usize,
}

/// No connection could be had.
#[derive(Debug, thiserror::Error)]
pub enum NoConnection {
    /// All are lent, and none came back in time.
    #[error("no database connection became free within {} ms", .0.as_millis())]
    Busy(Duration),
    /// A new one could not be opened.
    #[error("no database connection could be opened")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Pool {
    /// A pool of at most `size` connections (at least 1); a caller waits at most `wait` for one.
    pub fn new(database: &Database, size: usize, wait: Duration) -> Pool {
        let mut config = ManagerConfig::default();
        config.recycling_method = RecyclingMethod::Fast;
        let database = database.clone();
        config.custom_setup = Box::new(move |_| {
            let database = database.clone();
            async move { open(&database).await }.boxed()
        });
        let manager = AsyncDieselConnectionManager::new_with_config("", config);
        #[expect(
            clippy::expect_used,
            reason = "fails only for time-outs without a runtime, and none is set"
        )]
        let connections = Deadpool::builder(manager)
            .max_size(size.max(1))
            .build()
            .expect("a pool without time-outs");
        Pool { connections, wait }
    }

    /// Lends a connection.
    ///
    /// # Errors
    /// [`NoConnection`], within the pool's wait.
    pub async fn get(&self) -> Result<Loan, NoConnection> {
        match tokio::time::timeout(self.wait, self.connections.get()).await {
            Ok(Ok(loan)) => Ok(loan),
            Ok(Err(PoolError::Backend(error))) => Err(NoConnection::Failed(Box::new(error))),
            Ok(Err(error)) => Err(NoConnection::Failed(Box::new(error))),
            Err(_) => Err(NoConnection::Busy(self.wait)),
        }
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

async fn open(database: &Database) -> diesel::ConnectionResult<AsyncPgConnection> {
    let bad = |error: &dyn std::error::Error| ConnectionError::BadConnection(with_causes(error));
    let mut connection = database.connect_diesel().await.map_err(|error| bad(&error))?;
    let milliseconds = database.statement_timeout().as_millis();
    let limits = format!(
        "SET statement_timeout = {milliseconds}; SET idle_in_transaction_session_timeout = {milliseconds}; SET TIME ZONE 'UTC'"
    );
    connection
        .batch_execute(&limits)
        .await
        .map_err(|error| bad(&error))?;
    Ok(connection)
}
