//! The one session that holds the migration lock and runs the migrations, and a look at others.

use std::time::Duration;

use database::Database;
use tokio_postgres::Client;
use tokio_postgres::types::Type;
use tracing::debug;

use crate::error::{Doing as _, Error};

/// How long asking a second session for something may take; nothing depends on its answer.
const ASIDE: Duration = Duration::from_secs(3);

/// A connection that changes the schema.
pub(crate) struct Session {
    pub(crate) client: Client,
    /// The server process behind it.
    pub(crate) pid: i32,
}

/// Limits that operators set for applications must not end a long migration half-way.
const PREPARE: &str = "
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_min_messages = warning;
";

/// A session whose client was killed ends within a second also while it waits, and with it its lock.
const NOTICE_A_LOST_CLIENT: &str = "SET client_connection_check_interval = '1s'";

const OTHERS_IN_THE_WAY: &str = "
SELECT string_agg(
    format('process %s (%s) in a transaction since %s', pid, coalesce(nullif(application_name, ''), 'unnamed'),
        coalesce(to_char(xact_start, 'YYYY-MM-DD HH24:MI:SS TZ'), 'an unknown time')),
    ', ' ORDER BY xact_start)
FROM pg_stat_activity
WHERE pid = ANY (pg_blocking_pids($1))
";

impl Session {
    /// Makes a connection ready to change the schema.
    pub(crate) async fn prepare(client: Client) -> Result<Self, Error> {
        client.batch_execute(PREPARE).await.doing("prepare the session")?;
        if let Err(error) = client.batch_execute(NOTICE_A_LOST_CLIENT).await {
            debug!(%error, "this server does not notice lost clients");
        }
        let row = client
            .query_typed_one("SELECT pg_backend_pid()", &[])
            .await
            .doing("prepare the session")?;
        let pid = row.try_get(0).doing("prepare the session")?;
        Ok(Self { client, pid })
    }
}

/// A connection at once, or as soon as the database can be reached, at most `timeout` later.
pub(crate) async fn connect(database: &Database, timeout: Duration) -> Result<Client, Error> {
    match database.connect().await {
        Err(error) if error.is_unreachable() && !timeout.is_zero() => {
            database.wait(timeout).await?;
            Ok(database.connect().await?)
        }
        connected => Ok(connected?),
    }
}

/// Whoever holds a lock that the session `pid` waits for at this moment, in words.
pub(crate) async fn blockers(database: &Database, pid: i32) -> Option<String> {
    let ask = async {
        let client = database.connect().await.ok()?;
        let row = client
            .query_typed_one(OTHERS_IN_THE_WAY, &[(&pid, Type::INT4)])
            .await
            .ok()?;
        row.try_get::<_, Option<String>>(0).ok()?
    };
    tokio::time::timeout(ASIDE, ask).await.ok().flatten()
}

/// Cancels what the session `pid` is running.
pub(crate) async fn cancel(database: &Database, pid: i32) {
    let ask = async {
        let Ok(client) = database.connect().await else {
            return;
        };
        if let Err(error) = client
            .query_typed("SELECT pg_cancel_backend($1)", &[(&pid, Type::INT4)])
            .await
        {
            debug!(%error, "the running statement could not be canceled");
        }
    };
    if tokio::time::timeout(ASIDE, ask).await.is_err() {
        debug!("the running statement could not be canceled in time");
    }
}
