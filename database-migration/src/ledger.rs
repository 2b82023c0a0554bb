//! The ledger: the table that says which migrations were applied.

use std::time::Duration;

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use crate::migration::Migration;

/// One row of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The migration's version.
    pub version: i32,
    /// The migration's name.
    pub name: String,
    /// SHA-256 of the up file that was applied.
    pub up_sha256: Vec<u8>,
    /// SHA-256 of the down file that belongs to it.
    pub down_sha256: Vec<u8>,
    /// When its transaction began, ISO 8601 in UTC.
    pub applied_at: String,
    /// How long it took, in milliseconds.
    pub duration_ms: i64,
    /// The build that applied it.
    pub build: String,
    /// The oldest build that can work with this schema: its newest migration must not be below.
    pub min_compatible_schema: i32,
}

const CREATE: &str = "
CREATE TABLE schema_migrations (
    version               integer     NOT NULL,
    name                  text        NOT NULL,
    up_sha256             bytea       NOT NULL,
    down_sha256           bytea       NOT NULL,
    applied_at            timestamptz NOT NULL DEFAULT now(),
    duration_ms           bigint      NOT NULL,
    build                 text        NOT NULL,
    min_compatible_schema integer     NOT NULL,
    CONSTRAINT schema_migrations_pkey PRIMARY KEY (version),
    CONSTRAINT schema_migrations_version_positive CHECK (version > 0),
    CONSTRAINT schema_migrations_up_sha256_length CHECK (octet_length(up_sha256) = 32),
    CONSTRAINT schema_migrations_down_sha256_length CHECK (octet_length(down_sha256) = 32),
    CONSTRAINT schema_migrations_duration_not_negative CHECK (duration_ms >= 0),
    CONSTRAINT schema_migrations_min_compatible_in_range CHECK (min_compatible_schema BETWEEN 1 AND version)
);
COMMENT ON TABLE schema_migrations IS 'Which migrations were applied; written by database-migration alone, each row in its migration''s own transaction.';
COMMENT ON COLUMN schema_migrations.version IS 'The digits that the migration''s file names begin with.';
COMMENT ON COLUMN schema_migrations.applied_at IS 'When the migration''s transaction began.';
COMMENT ON COLUMN schema_migrations.up_sha256 IS 'SHA-256 of the SQL file that was applied; a file edited since is refused.';
COMMENT ON COLUMN schema_migrations.down_sha256 IS 'SHA-256 of the SQL file that takes the migration back.';
COMMENT ON COLUMN schema_migrations.duration_ms IS 'How long the migration took, without waiting for locks in earlier attempts.';
COMMENT ON COLUMN schema_migrations.build IS 'The build that applied it.';
COMMENT ON COLUMN schema_migrations.min_compatible_schema IS 'The oldest build that can work with this schema: its newest migration must not be below.';
";

const READ: &str = r#"
SELECT version, name, up_sha256, down_sha256,
       to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
       duration_ms, build, min_compatible_schema
FROM schema_migrations
ORDER BY version
"#;

const ADD: &str = "
INSERT INTO schema_migrations (version, name, up_sha256, down_sha256, duration_ms, build, min_compatible_schema)
VALUES ($1, $2, $3, $4, $5, $6, $7)
";

const REMOVE: &str = "
DELETE FROM schema_migrations
WHERE version = $1
";

/// All rows by version, in one round trip; none when there is no ledger yet.
pub(crate) async fn read(client: &Client) -> Result<Vec<Applied>, tokio_postgres::Error> {
    let rows = match client.query_typed(READ, &[]).await {
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => return Ok(Vec::new()),
        rows => rows?,
    };
    let applied = |row: &tokio_postgres::Row| {
        Ok(Applied {
            version: row.try_get(0)?,
            name: row.try_get(1)?,
            up_sha256: row.try_get(2)?,
            down_sha256: row.try_get(3)?,
            applied_at: row.try_get(4)?,
            duration_ms: row.try_get(5)?,
            build: row.try_get(6)?,
            min_compatible_schema: row.try_get(7)?,
        })
    };
    rows.iter().map(applied).collect()
}

/// Makes the table if it is missing. Call with the migration lock held: only then is this race-free.
pub(crate) async fn ensure(client: &Client) -> Result<(), tokio_postgres::Error> {
    let present = client
        .query_typed_one("SELECT to_regclass('schema_migrations') IS NOT NULL", &[])
        .await?;
    if present.try_get(0)? {
        return Ok(());
    }
    client.batch_execute(CREATE).await
}

/// Writes the row of a migration that has just been applied.
pub(crate) async fn add(
    client: &(impl tokio_postgres::GenericClient + Sync),
    migration: &Migration,
    duration: Duration,
    build: &str,
) -> Result<(), tokio_postgres::Error> {
    let duration_ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    client
        .execute_typed(
            ADD,
            &[
                (&migration.version, Type::INT4),
                (&migration.name, Type::TEXT),
                (&migration.up_sha256().as_slice(), Type::BYTEA),
                (&migration.down_sha256().as_slice(), Type::BYTEA),
                (&duration_ms, Type::INT8),
                (&build, Type::TEXT),
                (&migration.min_compatible_schema, Type::INT4),
            ],
        )
        .await?;
    Ok(())
}

/// Removes the row of a migration that has just been taken back.
pub(crate) async fn remove(
    client: &(impl tokio_postgres::GenericClient + Sync),
    version: i32,
) -> Result<(), tokio_postgres::Error> {
    client.execute_typed(REMOVE, &[(&version, Type::INT4)]).await?;
    Ok(())
}
