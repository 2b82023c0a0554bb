//! The ledger: diesel's table says which migrations were applied, a table beside it how.
//!
//! `schema_migrations`, the ledger of builds before diesel's format, is written as well, so that
//! they go on starting; it is read once, when its database is taken over.

use std::time::Duration;

use diesel::migration::CREATE_MIGRATIONS_TABLE;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, GenericClient, SimpleQueryMessage, SimpleQueryRow, Transaction};
use tracing::info;

use crate::error::{Doing as _, Error};
use crate::roles::{Names, owner};
use crate::session::{self, set_lock_timeout};
use crate::source::{Checksums, Migration};

/// One applied migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Applied {
    /// The migration's version.
    pub(crate) version: i32,
    /// When its transaction began, ISO 8601 in UTC.
    pub(crate) applied_at: String,
    /// None when another program applied it, such as the diesel CLI: unverified.
    pub(crate) details: Option<Details>,
    /// Read from the ledger of a build before diesel's format.
    pub(crate) is_earlier: bool,
}

/// How a migration was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Details {
    /// The migration's name.
    pub(crate) name: String,
    /// SHA-256 of the files that were applied.
    pub(crate) checksums: Checksums,
    /// How long it took, in milliseconds; none when another program applied it.
    pub(crate) duration_ms: Option<i64>,
    /// The build that applied or adopted it.
    pub(crate) build: String,
    /// The oldest build that works with this schema: its newest migration must not be below.
    pub(crate) min_compatible_schema: i32,
}

/// The whole ledger.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    /// By version.
    pub(crate) applied: Vec<Applied>,
    /// The server is a standby. Not known of one whose ledger is empty.
    pub(crate) standby: bool,
    /// Partitions of the order tables that begin in the future; none before they are partitioned.
    pub(crate) partitions_ahead: Option<u32>,
    /// The tables are all there; else `up` makes them, and takes over what an earlier build left.
    pub(crate) is_complete: bool,
}

impl Ledger {
    /// The newest version applied; 0 when nothing is.
    pub(crate) fn version(&self) -> i32 {
        self.applied.last().map_or(0, |last| last.version)
    }
}

const CREATE_DETAILS: &str = include_str!("ledger/migration_details.sql");

/// With the columns that builds before diesel's format read and write.
const CREATE_EARLIER: &str = include_str!("ledger/schema_migrations.sql");

/// Bounds are read without the relation, whose lock a new pod would wait for otherwise.
const READ: &str = r#"
SELECT version, name, encode(up_sha256, 'hex'), encode(down_sha256, 'hex'),
    to_char(run_on, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), duration_ms, build, min_compatible_schema,
    pg_is_in_recovery(), (
        SELECT min(ahead) FROM (
            SELECT count(*) FILTER (WHERE substring(pg_get_expr(relpartbound, 0) FROM 'FROM \(''([0-9a-f-]{36})')::uuid
                > rpad(lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0'), 32, '0')::uuid) AS ahead
            FROM pg_inherits JOIN pg_class ON oid = inhrelid
            WHERE inhparent IN (to_regclass('orders'), to_regclass('order_items'))
            GROUP BY inhparent
        ) AS of_table
    )
FROM __diesel_schema_migrations
LEFT JOIN migration_details USING (version)
ORDER BY version
"#;

const READ_DIESEL: &str = r#"
SELECT version, NULL, NULL, NULL, to_char(run_on, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), NULL, NULL, NULL,
    pg_is_in_recovery()
FROM __diesel_schema_migrations
ORDER BY version
"#;

const READ_EARLIER: &str = r#"
SELECT version, name, encode(up_sha256, 'hex'), encode(down_sha256, 'hex'),
    to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), duration_ms, build,
    min_compatible_schema, pg_is_in_recovery()
FROM schema_migrations
ORDER BY version
"#;

/// All of it; empty when there is no ledger yet. Waits for a lock at most `lock_wait`.
///
/// One round trip: the limits, which must not be those of an operator, go with the query.
pub(crate) async fn read(client: &Client, lock_wait: Duration) -> Result<Ledger, Error> {
    let limits = format!("SET statement_timeout = 0; {}", set_lock_timeout(lock_wait));
    match client.simple_query(&format!("{limits}{READ}")).await {
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => {}
        result => return Ledger::of(result, true),
    }
    let tables = tables(client).await.doing("read the ledger")?;
    match (tables.earlier, tables.diesel) {
        (true, _) => {
            let mut ledger = Ledger::of(client.simple_query(READ_EARLIER).await, false)?;
            ledger.applied.iter_mut().for_each(|row| row.is_earlier = true);
            Ok(ledger)
        }
        (false, true) => Ledger::of(client.simple_query(READ_DIESEL).await, false),
        (false, false) => Ok(Ledger::default()),
    }
}

impl Ledger {
    fn of(
        messages: Result<Vec<SimpleQueryMessage>, tokio_postgres::Error>,
        is_complete: bool,
    ) -> Result<Self, Error> {
        let messages = match messages {
            Err(error) if is_about_the_columns(&error) => return Err(Error::ForeignLedger),
            messages => messages.doing("read the ledger")?,
        };
        let mut ledger = Self {
            is_complete,
            ..Self::default()
        };
        for message in messages {
            if let SimpleQueryMessage::Row(row) = message {
                ledger
                    .applied
                    .push(Applied::from_texts(&row).ok_or(Error::ForeignLedger)?);
                ledger.standby = row.try_get(8).ok().flatten() == Some("t");
                let ahead = row.try_get(9).ok().flatten();
                ledger.partitions_ahead = ahead.and_then(|ahead| ahead.parse().ok());
            }
        }
        Ok(ledger)
    }
}

impl Applied {
    /// None for what this project's migrations are not: another one's versions are times, say.
    fn from_texts(row: &SimpleQueryRow) -> Option<Self> {
        let text = |column: usize| row.try_get(column).ok().flatten();
        let details = match text(1) {
            None => None,
            Some(name) => Some(Details {
                name: name.to_owned(),
                checksums: Checksums {
                    up_sha256: text(2)?.to_owned(),
                    down_sha256: text(3)?.to_owned(),
                },
                duration_ms: text(5).and_then(|number| number.parse().ok()),
                build: text(6)?.to_owned(),
                min_compatible_schema: text(7)?.parse().ok()?,
            }),
        };
        Some(Self {
            version: text(0)?.parse().ok().filter(|version| *version > 0)?,
            applied_at: text(4)?.to_owned(),
            details,
            is_earlier: false,
        })
    }
}

/// A column is missing or of another type: other tools have a table of this name, too.
fn is_about_the_columns(error: &tokio_postgres::Error) -> bool {
    let states = [SqlState::UNDEFINED_COLUMN, SqlState::UNDEFINED_FUNCTION];
    error.code().is_some_and(|code| states.contains(code))
}

/// The tables of the ledger that exist.
struct Tables {
    diesel: bool,
    details: bool,
    earlier: bool,
}

async fn tables(client: &Client) -> Result<Tables, tokio_postgres::Error> {
    let exists = |table: &str| format!("to_regclass('{table}') IS NOT NULL");
    let tables = [
        "__diesel_schema_migrations",
        "migration_details",
        "schema_migrations",
    ]
    .map(exists);
    let question = format!("SELECT {}", tables.join(", "));
    let row = client.query_typed_one(&question, &[]).await?;
    Ok(Tables {
        diesel: row.try_get(0)?,
        details: row.try_get(1)?,
        earlier: row.try_get(2)?,
    })
}

const TAKE_OVER: &str = "
INSERT INTO __diesel_schema_migrations (version, run_on)
SELECT to_char(version, 'FM0000'), applied_at AT TIME ZONE 'UTC' FROM schema_migrations
ON CONFLICT DO NOTHING;
INSERT INTO migration_details
SELECT to_char(version, 'FM0000'), name, up_sha256, down_sha256, duration_ms, build, min_compatible_schema
FROM schema_migrations;
";

/// Makes the tables that are missing, and takes over the ledger of an earlier build, all or
/// nothing.
///
/// Call with the migration lock held, and only when the ledger agrees with the migrations: what
/// they had in their earlier format gets the checksums of the present one.
pub(crate) async fn ensure(
    client: &mut Client,
    migrations: &[Migration],
    names: &Names,
    build: &str,
) -> Result<(), Error> {
    let doing = "create the ledger";
    let tables = tables(client).await.doing(doing)?;
    if tables.diesel && tables.details && tables.earlier {
        return Ok(());
    }
    session::require_schema(client, doing).await?;
    let create = async {
        let transaction = client.transaction().await?;
        if !tables.diesel {
            transaction.batch_execute(CREATE_MIGRATIONS_TABLE).await?;
        }
        if !tables.earlier {
            transaction.batch_execute(CREATE_EARLIER).await?;
        }
        if !tables.details {
            transaction.batch_execute(CREATE_DETAILS).await?;
            if tables.earlier {
                take_over(&transaction, migrations, build).await?;
            }
        }
        owner::bring_rights_in_line(&transaction, names).await?;
        transaction.commit().await
    };
    create.await.doing(doing)
}

async fn take_over(
    transaction: &Transaction<'_>,
    migrations: &[Migration],
    build: &str,
) -> Result<(), tokio_postgres::Error> {
    transaction.batch_execute(TAKE_OVER).await?;
    let rows = transaction
        .query_typed("SELECT version FROM schema_migrations", &[])
        .await?;
    let versions: Vec<i32> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    for migration in migrations.iter().filter(|it| versions.contains(&it.version)) {
        write(transaction, migration, None, build).await?;
    }
    info!(
        "took over the ledger of an earlier build, with {} migrations",
        versions.len()
    );
    Ok(())
}

/// A row that exists keeps who applied it when, and how long that took.
const WRITE: &str = "
WITH applied AS (
    INSERT INTO __diesel_schema_migrations (version, run_on)
    VALUES ($1, now() AT TIME ZONE 'UTC')
    ON CONFLICT DO NOTHING
), details AS (
    INSERT INTO migration_details
    VALUES ($1, $3, decode($4, 'hex'), decode($5, 'hex'), $6, $7, $8)
    ON CONFLICT (version) DO UPDATE
    SET name = excluded.name, up_sha256 = excluded.up_sha256, down_sha256 = excluded.down_sha256,
        min_compatible_schema = excluded.min_compatible_schema
)
INSERT INTO schema_migrations
    (version, name, up_sha256, down_sha256, duration_ms, build, min_compatible_schema)
VALUES ($2, $3, decode($9, 'hex'), decode($10, 'hex'), coalesce($6, 0), $7, $8)
ON CONFLICT (version) DO UPDATE
SET name = excluded.name, up_sha256 = excluded.up_sha256, down_sha256 = excluded.down_sha256,
    min_compatible_schema = excluded.min_compatible_schema
";

/// Writes the rows of a migration that has just been applied, or whose files are to be accepted.
pub(crate) async fn write(
    client: &(impl GenericClient + Sync),
    migration: &Migration,
    duration: Option<Duration>,
    build: &str,
) -> Result<(), tokio_postgres::Error> {
    let duration_ms = duration.map(|it| i64::try_from(it.as_millis()).unwrap_or(i64::MAX));
    let (sums, earlier) = (migration.checksums(), migration.earlier_checksums());
    let parameters: [(&(dyn ToSql + Sync), Type); 10] = [
        (&migration.key(), Type::TEXT),
        (&migration.version, Type::INT4),
        (&migration.name, Type::TEXT),
        (&sums.up_sha256, Type::TEXT),
        (&sums.down_sha256, Type::TEXT),
        (&duration_ms, Type::INT8),
        (&build, Type::TEXT),
        (&migration.metadata.min_compatible_schema, Type::INT4),
        (&earlier.up_sha256, Type::TEXT),
        (&earlier.down_sha256, Type::TEXT),
    ];
    client.execute_typed(WRITE, &parameters).await.map(drop)
}

const REMOVE: &str = "
WITH reverted AS (DELETE FROM __diesel_schema_migrations WHERE version = $1)
DELETE FROM schema_migrations WHERE version = $2
";

/// Removes the rows of a migration that has just been reverted.
pub(crate) async fn remove(
    client: &(impl GenericClient + Sync),
    migration: &Migration,
) -> Result<(), tokio_postgres::Error> {
    let parameters: [(&(dyn ToSql + Sync), Type); 2] =
        [(&migration.key(), Type::TEXT), (&migration.version, Type::INT4)];
    client.execute_typed(REMOVE, &parameters).await.map(drop)
}
