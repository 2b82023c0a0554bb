//! Which schema the code was written for, and which one the database has.

use tokio_postgres::error::SqlState;

/// The newest schema version of this build: what `database-migration up` brings.
pub const NEWEST: i32 = 4;

/// What the migration ledger says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The newest applied migration.
    pub version: i32,
    /// The oldest build that may still use this schema: its newest migration must not be below.
    pub min_compatible: i32,
}

/// The state of the ledger; `None` when it is missing or empty.
///
/// # Errors
/// Whatever the database says, but for a missing ledger.
pub async fn applied(client: &tokio_postgres::Client) -> Result<Option<Applied>, tokio_postgres::Error> {
    let query = "SELECT max(version), max(min_compatible_schema) FROM schema_migrations";
    match client.query_one(query, &[]).await {
        Ok(row) => {
            let version: Option<i32> = row.try_get(0)?;
            let min_compatible: Option<i32> = row.try_get(1)?;
            Ok(version
                .zip(min_compatible)
                .map(|(version, min_compatible)| Applied {
                    version,
                    min_compatible,
                }))
        }
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => Ok(None),
        Err(error) => Err(error),
    }
}
