//! The schema version that the code was written for, and the one that the database has.

use tokio_postgres::error::SqlState;

/// The newest schema version of this build: what `database-migration up` brings.
///
/// The build script counts the folders of the migrations.
pub const NEWEST: i32 = include!(concat!(env!("OUT_DIR"), "/newest.rs"));

/// The newest version in diesel's ledger, and the oldest build that may use the schema.
///
/// A migration without details was applied by another program: it allows the builds that have it.
const APPLIED: &str = "
SELECT max(version::integer), max(coalesce(min_compatible_schema, version::integer))
FROM __diesel_schema_migrations LEFT JOIN migration_details USING (version)
";

/// The state of the migration ledger.
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
    match client.query_one(APPLIED, &[]).await {
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
