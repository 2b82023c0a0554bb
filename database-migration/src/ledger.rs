//! The ledger: the table that says which migrations were applied.

use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

use crate::error::{Doing as _, Error};
use crate::migration::Migration;
use crate::session::set_lock_timeout;

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

/// The whole ledger.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    /// By version.
    pub(crate) applied: Vec<Applied>,
    /// The server is a standby. Not known of one whose ledger is empty.
    pub(crate) standby: bool,
}

impl Ledger {
    /// The newest version applied; 0 when nothing is.
    pub(crate) fn version(&self) -> i32 {
        self.applied.last().map_or(0, |last| last.version)
    }
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
SELECT version, name, encode(up_sha256, 'hex'), encode(down_sha256, 'hex'),
       to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
       duration_ms, build, min_compatible_schema, pg_is_in_recovery()
FROM schema_migrations
ORDER BY version
"#;

const ADD: &str = "
INSERT INTO schema_migrations (version, name, up_sha256, down_sha256, duration_ms, build, min_compatible_schema)
VALUES ($1, $2, $3, $4, $5, $6, $7)
";

const REPLACE: &str = "
UPDATE schema_migrations
SET name = $2, up_sha256 = $3, down_sha256 = $4, min_compatible_schema = $5
WHERE version = $1
";

const REMOVE: &str = "
DELETE FROM schema_migrations
WHERE version = $1
";

/// All of it; empty when there is no ledger yet. Waits for a lock at most `patience`.
///
/// One round trip: the limits, against which an operator's own count for nothing, go with the question.
pub(crate) async fn read(client: &Client, patience: Duration) -> Result<Ledger, Error> {
    let question = format!("SET statement_timeout = 0; {}{READ}", set_lock_timeout(patience));
    let messages = match client.simple_query(&question).await {
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => return Ok(Ledger::default()),
        Err(error) if is_about_the_columns(&error) => return Err(Error::ForeignLedger),
        messages => messages.doing("read the ledger")?,
    };
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let mut ledger = Ledger::default();
    for row in rows {
        let applied = Applied::from_texts(row).ok_or(Error::ForeignLedger)?;
        ledger.applied.push(applied);
        ledger.standby = row.try_get(8).ok().flatten() == Some("t");
    }
    Ok(ledger)
}

impl Applied {
    fn from_texts(row: &SimpleQueryRow) -> Option<Self> {
        let text = |column: usize| row.try_get(column).ok().flatten();
        Some(Self {
            version: text(0)?.parse().ok()?,
            name: text(1)?.to_owned(),
            up_sha256: hex::decode(text(2)?).ok()?,
            down_sha256: hex::decode(text(3)?).ok()?,
            applied_at: text(4)?.to_owned(),
            duration_ms: text(5)?.parse().ok()?,
            build: text(6)?.to_owned(),
            min_compatible_schema: text(7)?.parse().ok()?,
        })
    }
}

/// A column is missing or of a type that ours is not: other tools have a table of this name, too.
fn is_about_the_columns(error: &tokio_postgres::Error) -> bool {
    error
        .code()
        .is_some_and(|code| [SqlState::UNDEFINED_COLUMN, SqlState::UNDEFINED_FUNCTION].contains(code))
}

const PRESENT: &str = "
SELECT to_regclass('schema_migrations') IS NOT NULL, current_schema() IS NOT NULL, current_setting('search_path')
";

/// Makes the table if it is missing. Call with the migration lock held: only then is this race-free.
pub(crate) async fn ensure(client: &Client) -> Result<(), Error> {
    let doing = "create the ledger";
    let row = client.query_typed_one(PRESENT, &[]).await.doing(doing)?;
    if row.try_get(0).doing(doing)? {
        return Ok(());
    }
    if !row.try_get::<_, bool>(1).doing(doing)? {
        let search_path = row.try_get(2).doing(doing)?;
        return Err(Error::NoSchema { search_path });
    }
    client.batch_execute(CREATE).await.doing(doing)
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

/// Brings the row of a migration in line with the files of this build; who applied it when stays.
pub(crate) async fn replace(
    client: &(impl tokio_postgres::GenericClient + Sync),
    migration: &Migration,
) -> Result<(), tokio_postgres::Error> {
    client
        .execute_typed(
            REPLACE,
            &[
                (&migration.version, Type::INT4),
                (&migration.name, Type::TEXT),
                (&migration.up_sha256().as_slice(), Type::BYTEA),
                (&migration.down_sha256().as_slice(), Type::BYTEA),
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
