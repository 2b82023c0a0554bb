//! A connection beside the one that works.

use std::sync::Arc;
use std::time::Duration;

use database::{ConnectError, Database};
use process::failure;
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use crate::session::{RESET_ROLE, SET_ROLE_NONE};

/// Limit of [`SideChannel::ask`], connecting included.
const LIMIT: Duration = Duration::from_secs(3);

/// How to reach the server while the connection that works is busy.
#[derive(Clone)]
pub enum SideChannel {
    /// Over a connection that has nothing else to do, such as the one that holds the locks.
    Shared(Arc<Client>),
    /// Over a new connection each time.
    New(Database),
}

impl SideChannel {
    /// The shared connection, or a new one.
    ///
    /// # Errors
    /// Those of connecting; none when the connection is shared.
    pub async fn client(&self) -> Result<Arc<Client>, ConnectError> {
        match self {
            Self::Shared(client) => Ok(Arc::clone(client)),
            Self::New(database) => Ok(Arc::new(database.connect().await?)),
        }
    }

    /// One text from a query that returns one row, asked as the role that logged in: only that role
    /// sees and cancels its own sessions.
    ///
    /// # Errors
    /// What went wrong, in one line; also when there is no answer within 3 s.
    pub async fn ask(
        &self,
        query: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Option<String>, String> {
        let ask = async {
            let client = self.client().await.map_err(|error| failure::line(&error))?;
            let asked = async {
                client.batch_execute(SET_ROLE_NONE).await?;
                let row = client.query_typed_one(query, parameters).await?;
                client.batch_execute(RESET_ROLE).await?;
                row.try_get(0)
            };
            asked
                .await
                .map_err(|error: tokio_postgres::Error| failure::line(&error))
        };
        let limited = tokio::time::timeout(LIMIT, ask).await;
        limited.unwrap_or_else(|_| Err(format!("no answer within {} s", LIMIT.as_secs())))
    }

    /// Cancels the statement that the session `pid` is running, but no commit in progress.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub async fn cancel(&self, pid: i32) -> Result<(), String> {
        let cancel = "SELECT pg_cancel_backend($1)::text";
        self.ask(cancel, &[(&pid, Type::INT4)]).await.map(drop)
    }
}
