//! The one session that holds the migration lock and runs the migrations, and a look at others.

use std::time::Duration;

use database::Database;
use process::failure;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tracing::debug;

use crate::error::{Doing as _, Error};

/// How long asking a second session for something may take; nothing depends on its answer.
const ASIDE: Duration = Duration::from_secs(3);

/// A migrator acts as the owner of the tables, but sessions belong to who has logged in: only that role sees and cancels its
/// own.
pub(crate) const AS_ITSELF: &str = "SET ROLE NONE";

/// Undoes [`AS_ITSELF`].
pub(crate) const AS_BEFORE: &str = "RESET ROLE";

/// A connection that changes the schema.
pub(crate) struct Session {
    pub(crate) client: Client,
    /// The server process behind it.
    pub(crate) pid: i32,
}

/// Limits and defaults that operators set for applications must not end a long migration half-way, nor change what it means.
const PREPARE: &str = "
SET statement_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET default_transaction_isolation = 'read committed';
SET client_min_messages = warning;
";

/// The same, but servers before PostgreSQL 14 or 17, or on some systems, do not have them.
const PREPARE_IF_KNOWN: [&str; 3] = [
    // A session whose client was killed ends within a second also while it waits, and with it its lock.
    "SET client_connection_check_interval = '1s'",
    "SET idle_session_timeout = 0",
    "SET transaction_timeout = 0",
];

const OTHERS_IN_THE_WAY: &str = "
SELECT string_agg(
    format('process %s (%s) in a transaction since %s', pid, coalesce(nullif(application_name, ''), 'unnamed'),
        coalesce(to_char(xact_start, 'YYYY-MM-DD HH24:MI:SS TZ'), 'an unknown time')),
    ', ' ORDER BY xact_start)
FROM pg_stat_activity
WHERE pid = ANY (pg_blocking_pids($1))
";

impl Session {
    /// Makes a connection ready to change the schema; outside of migrations a statement waits for locks at most `patience`.
    ///
    /// # Errors
    /// [`Error::Standby`], or whatever the database says.
    pub(crate) async fn prepare(
        client: Client,
        database: &Database,
        patience: Duration,
    ) -> Result<Self, Error> {
        let doing = "prepare the session";
        client.batch_execute(PREPARE).await.doing(doing)?;
        client
            .batch_execute(&set_lock_timeout(patience))
            .await
            .doing(doing)?;
        for setting in PREPARE_IF_KNOWN {
            match client.batch_execute(setting).await {
                Err(error) if !is_unknown_setting(&error) => return Err(error).doing(doing),
                Err(error) => debug!(error = failure::line(&error), "this server cannot {setting}"),
                Ok(()) => {}
            }
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

/// The statement that limits waiting for locks; never to nothing, which PostgreSQL takes for no limit at all.
pub(crate) fn set_lock_timeout(timeout: Duration) -> String {
    let limit = timeout.as_millis().clamp(1, i32::MAX as u128);
    format!("SET lock_timeout = {limit};")
}

/// The parameter does not exist, or not with this value on this server's system.
fn is_unknown_setting(error: &tokio_postgres::Error) -> bool {
    error
        .code()
        .is_some_and(|code| [SqlState::UNDEFINED_OBJECT, SqlState::INVALID_PARAMETER_VALUE].contains(code))
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
    ask(database, OTHERS_IN_THE_WAY, &[(&pid, Type::INT4)]).await
}

/// One text from a second session; none also when it does not answer in time.
async fn ask(
    database: &Database,
    question: &str,
    parameters: &[(&(dyn ToSql + Sync), Type)],
) -> Option<String> {
    let ask = async {
        let client = database.connect().await.ok()?;
        client.batch_execute(AS_ITSELF).await.ok()?;
        let row = client.query_typed_one(question, parameters).await.ok()?;
        row.try_get::<_, Option<String>>(0).ok()?
    };
    tokio::time::timeout(ASIDE, ask).await.ok().flatten()
}

const HOLDERS_OF_THE_LEDGER: &str = "
SELECT string_agg(
    format('process %s (%s) in a transaction since %s', pid, coalesce(nullif(application_name, ''), 'unnamed'),
        coalesce(to_char(xact_start, 'YYYY-MM-DD HH24:MI:SS TZ'), 'an unknown time')),
    ', ' ORDER BY xact_start)
FROM pg_stat_activity
WHERE pid IN (
    SELECT pid
    FROM pg_locks
    WHERE relation = to_regclass('schema_migrations')
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND mode = 'AccessExclusiveLock')
";

/// Whoever keeps others from reading the ledger, or is about to, in words.
pub(crate) async fn holders_of_the_ledger(database: &Database) -> Option<String> {
    ask(database, HOLDERS_OF_THE_LEDGER, &[]).await
}

/// Cancels what the session `pid` is running.
pub(crate) async fn cancel(database: &Database, pid: i32) {
    let ask = async {
        let Ok(client) = database.connect().await else {
            return;
        };
        let cancel = async {
            client.batch_execute(AS_ITSELF).await?;
            client
                .query_typed("SELECT pg_cancel_backend($1)", &[(&pid, Type::INT4)])
                .await
        };
        if let Err(error) = cancel.await {
            debug!(
                error = failure::line(&error),
                "the running statement could not be canceled"
            );
        }
    };
    if tokio::time::timeout(ASIDE, ask).await.is_err() {
        debug!("the running statement could not be canceled in time");
    }
}
