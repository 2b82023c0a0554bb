//! Every connection of the loader, whatever limits the operator sets for other sessions.

use database::Database;
use process::failure::Failure;
use tokio_postgres::Client;

use super::failure;

/// Some of these settings are younger than the oldest server. One statement: it costs one round trip.
const SESSION: &str = "
    SELECT set_config(name, value, false)
    FROM (VALUES
        ('statement_timeout', '0'),
        ('transaction_timeout', '0'),
        ('idle_in_transaction_session_timeout', '0'),
        ('idle_session_timeout', '0'),
        ('lock_timeout', '30s'),
        ('default_transaction_isolation', 'read committed'),
        ('TimeZone', 'UTC')
    ) AS session (name, value)
    WHERE current_setting(name, true) IS NOT NULL";

/// A new connection.
///
/// # Errors
/// `DatabaseUnreachable` or `Usage` when there is none.
pub(crate) async fn open(database: &Database) -> Result<Client, Failure> {
    let client = database.connect().await.map_err(failure::connecting)?;
    client
        .batch_execute(SESSION)
        .await
        .map_err(failure::database("prepare the session"))?;
    Ok(client)
}
