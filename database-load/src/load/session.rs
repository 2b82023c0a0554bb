//! Connections of the loader, whatever limits operators set for other sessions.

use std::time::Duration;

use database::Database;
use process::failure::Failure;
use tokio_postgres::Client;

use super::failure;

/// Shortest and longest wait of a statement for a lock.
const LOCK_WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// A new connection, whose statements wait for locks at most 30 s.
///
/// # Errors
/// `DatabaseUnreachable` or `Usage` when there is none.
pub(crate) async fn open(database: &Database) -> Result<Client, Failure> {
    open_with(database, LOCK_WAITS.1).await
}

/// The same, whose statements wait for locks at most `lock_timeout`, but 1 s, and not beyond 30 s.
///
/// # Errors
/// As [`open`].
pub(crate) async fn open_with(database: &Database, lock_timeout: Duration) -> Result<Client, Failure> {
    let client = database.connect().await.map_err(failure::connecting)?;
    let milliseconds = lock_timeout
        .clamp(LOCK_WAITS.0, LOCK_WAITS.1)
        .as_millis()
        .to_string();
    let settings = [("lock_timeout", milliseconds.as_str()), ("TimeZone", "UTC")];
    let prepared = one_shot::session::prepare(&client, &settings).await;
    prepared.map_err(failure::database("prepare the session"))?;
    Ok(client)
}
