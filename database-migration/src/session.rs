//! The one session that holds the migration lock and runs the migrations, and a look at others.

use std::time::Duration;

use database::Database;
use one_shot::SideChannel;
use one_shot::session::{self, is_unsupported};
use process::failure;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, GenericClient};
use tracing::debug;

use crate::error::{Doing as _, Error};

/// How long a statement of a migration waits for a lock. Everything that arrives meanwhile queues
/// up behind it, so the whole system stands still for at most this long.
pub(crate) const LOCK_TIMEOUT: &str = "2s";

/// A connection that changes the schema.
pub(crate) struct Session {
    pub(crate) client: Client,
    /// The server process behind it.
    pub(crate) pid: i32,
}

/// A session whose client was killed ends within a second also while it waits, and with it its
/// lock.
const CHECK_CLIENT: &str = "SET client_connection_check_interval = '1s'";

impl Session {
    /// Makes a connection ready to change the schema; outside of migrations a statement waits for
    /// locks at most `lock_wait`.
    ///
    /// # Errors
    /// [`Error::Standby`], or those of the database.
    pub(crate) async fn prepare(
        client: Client,
        database: &Database,
        lock_wait: Duration,
    ) -> Result<Self, Error> {
        let doing = "prepare the session";
        let messages = ("client_min_messages", "warning");
        session::prepare(&client, &[messages]).await.doing(doing)?;
        client
            .batch_execute(&set_lock_timeout(lock_wait))
            .await
            .doing(doing)?;
        match client.batch_execute(CHECK_CLIENT).await {
            Err(error) if !is_unsupported(&error) => return Err(error).doing(doing),
            Err(error) => debug!(error = failure::line(&error), "this server cannot {CHECK_CLIENT}"),
            Ok(()) => {}
        }
        let row = client
            .query_typed_one("SELECT pg_backend_pid(), pg_is_in_recovery()", &[])
            .await
            .doing(doing)?;
        if row.try_get(1).doing(doing)? {
            return Err(Error::Standby {
                database: database.target(),
            });
        }
        let pid = row.try_get(0).doing(doing)?;
        Ok(Self { client, pid })
    }
}

/// The statement that limits waiting for locks; never to zero, which PostgreSQL takes for no limit.
pub(crate) fn set_lock_timeout(timeout: Duration) -> String {
    let limit = timeout.as_millis().clamp(1, i32::MAX as u128);
    format!("SET lock_timeout = {limit};")
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

/// Refuses a `search_path` that names no schema for the tables.
pub(crate) async fn require_schema(
    client: &(impl GenericClient + Sync),
    doing: &'static str,
) -> Result<(), Error> {
    let question = "SELECT current_setting('search_path') WHERE current_schema() IS NULL";
    match client.query_typed_opt(question, &[]).await.doing(doing)? {
        None => Ok(()),
        Some(row) => Err(Error::NoSchema {
            search_path: row.try_get(0).doing(doing)?,
        }),
    }
}

const SESSIONS: &str = "
SELECT string_agg(
    format('process %s (%s) in a transaction since %s', pid, coalesce(nullif(application_name, ''), 'unnamed'),
        coalesce(to_char(xact_start, 'YYYY-MM-DD HH24:MI:SS TZ'), 'an unknown time')),
    ', ' ORDER BY xact_start)
FROM pg_stat_activity
";

/// The holders of the locks that the session `pid` waits for at this moment, in words.
pub(crate) async fn blockers(database: &Database, pid: i32) -> Option<String> {
    let blocking = format!("{SESSIONS} WHERE pid = ANY (pg_blocking_pids($1))");
    ask(database, &blocking, &[(&pid, Type::INT4)]).await
}

const HOLD_THE_LEDGER: &str = "
WHERE pid IN (
    SELECT pid
    FROM pg_locks
    WHERE relation IN (to_regclass('__diesel_schema_migrations'), to_regclass('migration_details'),
            to_regclass('schema_migrations'))
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND mode = 'AccessExclusiveLock')
";

/// The sessions that keep others from reading the ledger, or are about to, in words.
pub(crate) async fn holders_of_the_ledger(database: &Database) -> Option<String> {
    ask(database, &format!("{SESSIONS}{HOLD_THE_LEDGER}"), &[]).await
}

async fn ask(database: &Database, query: &str, parameters: &[(&(dyn ToSql + Sync), Type)]) -> Option<String> {
    let channel = SideChannel::New(database.clone());
    channel.ask(query, parameters).await.ok().flatten()
}

/// Cancels the statement that the session `pid` is running.
pub(crate) async fn cancel(database: &Database, pid: i32) {
    if let Err(error) = SideChannel::New(database.clone()).cancel(pid).await {
        debug!(error, "the running statement could not be canceled");
    }
}
