//! Connections of the loader, whatever limits operators set for other sessions.

use database::Database;
use process::failure::Failure;
use tokio_postgres::Client;

use super::failure;

/// Beside those of every job.
const SETTINGS: [(&str, &str); 2] = [("lock_timeout", "30s"), ("TimeZone", "UTC")];

/// A new connection.
///
/// # Errors
/// `DatabaseUnreachable` or `Usage` when there is none.
pub(crate) async fn open(database: &Database) -> Result<Client, Failure> {
    let client = database.connect().await.map_err(failure::connecting)?;
    let prepared = one_shot::session::prepare(&client, &SETTINGS).await;
    prepared.map_err(failure::database("prepare the session"))?;
    Ok(client)
}
