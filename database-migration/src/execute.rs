//! Runs one migration: its transaction, its row in the ledger, its span, and its patience.

use std::time::{Duration, Instant};

use database::Database;
use process::exit;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span, info_span, warn};

use crate::error::{Error, Remains, is_lost};
use crate::ledger;
use crate::migration::{Migration, Step, Transaction};
use crate::session::{self, Session};

/// How long a statement of a migration waits for a lock. Everything that arrives meanwhile queues up
/// behind it, so the whole system stands still for at most this long.
const LOCK_TIMEOUT: &str = "2s";

/// Pauses between two attempts, growing from the first to the last: traffic flows in between.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));

/// A migration that takes longer than this is asked who is in its way.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// How long a canceled statement may take to end; the server needs milliseconds.
const ROLLBACK: Duration = Duration::from_secs(5);

/// Which of the two files is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

/// What running a migration needs besides its session.
pub(crate) struct Conditions<'a> {
    pub(crate) database: &'a Database,
    /// How long attempts that get no lock are repeated.
    pub(crate) patience: Duration,
    pub(crate) build: &'a str,
    pub(crate) stop: &'a CancellationToken,
}

/// Runs one migration inside its span; returns the number of attempts.
pub(crate) async fn run(
    session: &mut Session,
    migration: &Migration,
    direction: Direction,
    conditions: &Conditions<'_>,
) -> Result<u32, Error> {
    let span = span(migration, direction);
    let started = Instant::now();
    let result = attempts(session, migration, direction, conditions)
        .instrument(span.clone())
        .await;
    span.record(
        "duration_ms",
        u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    );
    match &result {
        Ok(attempts) => {
            span.record("migration.attempts", attempts);
        }
        Err(error) => process::telemetry::fail(&span, error),
    }
    result
}

/// The names of spans are static, so each step has a line of its own.
fn span(migration: &Migration, direction: Direction) -> Span {
    macro_rules! span {
        ($name:literal) => {
            info_span!(
                $name,
                migration.version = migration.version,
                migration.name = migration.name,
                migration.attempts = tracing::field::Empty,
                duration_ms = tracing::field::Empty,
            )
        };
    }
    match (direction, migration.step) {
        (Direction::Down, _) => span!("migration.revert"),
        (Direction::Up, Step::CreateTables) => span!("migration.createTables"),
        (Direction::Up, Step::CreateIndexes) => span!("migration.createIndexes"),
        (Direction::Up, Step::AlterTables) => span!("migration.alterTables"),
    }
}

async fn attempts(
    session: &mut Session,
    migration: &Migration,
    direction: Direction,
    conditions: &Conditions<'_>,
) -> Result<u32, Error> {
    let file = match direction {
        Direction::Up => migration.up_file(),
        Direction::Down => migration.down_file(),
    };
    let started = Instant::now();
    let mut blockers = None;
    let mut pause = PAUSES.0;
    let mut attempt = 1;
    loop {
        let broken = match watched(session, migration, direction, conditions, &mut blockers).await {
            Ok(Ok(())) => return Ok(attempt),
            Err(remains) => return Err(stopped(file, remains)),
            Ok(Err(broken)) if !is_lock_trouble(&broken.error) => {
                return Err(Error::Failed {
                    file,
                    remains: broken.remains(migration),
                    source: broken.error,
                });
            }
            Ok(Err(broken)) => broken,
        };
        let in_the_way = blockers
            .clone()
            .unwrap_or_else(|| "nobody is known to be in the way".into());
        if started.elapsed() >= conditions.patience {
            return Err(Error::Blocked {
                file,
                attempts: attempt,
                blockers: in_the_way,
            });
        }
        warn!(
            attempt,
            error = exit::line(&broken.error),
            "{file} did not get its locks within {LOCK_TIMEOUT}; trying again: {in_the_way}"
        );
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = conditions.stop.cancelled() => return Err(stopped(file, broken.remains(migration))),
        }
        pause = (pause * 2).min(PAUSES.1);
        attempt += 1;
    }
}

fn stopped(file: String, remains: Remains) -> Error {
    Error::Stopped {
        during: Some((file, remains)),
    }
}

/// An attempt that failed.
struct Broken {
    error: tokio_postgres::Error,
    /// The server had been asked to commit: it may have done so.
    committing: bool,
}

impl Broken {
    fn remains(&self, migration: &Migration) -> Remains {
        match migration.transaction {
            Transaction::None => Remains::Statements,
            Transaction::Yes if self.committing && is_lost(&self.error) => Remains::Unknown,
            Transaction::Yes => Remains::Nothing,
        }
    }
}

impl From<tokio_postgres::Error> for Broken {
    fn from(error: tokio_postgres::Error) -> Self {
        Self {
            error,
            committing: false,
        }
    }
}

/// One attempt, or what it has left behind if it was stopped. While it lasts, looks once who is in the way.
async fn watched(
    session: &mut Session,
    migration: &Migration,
    direction: Direction,
    conditions: &Conditions<'_>,
    blockers: &mut Option<String>,
) -> Result<Result<(), Broken>, Remains> {
    let pid = session.pid;
    let mut attempt = std::pin::pin!(attempt(session, migration, direction, conditions.build));
    let mut look = std::pin::pin!(async {
        tokio::time::sleep(LOOK_AFTER).await;
        session::blockers(conditions.database, pid).await
    });
    let mut looked = false;
    loop {
        tokio::select! {
            result = &mut attempt => return Ok(result),
            found = &mut look, if !looked => {
                looked = true;
                *blockers = found.or(blockers.take());
            }
            () = conditions.stop.cancelled() => break,
        }
    }
    session::cancel(conditions.database, pid).await;
    match tokio::time::timeout(ROLLBACK, attempt).await {
        // It was committing already: that cannot be taken back, and is no loss.
        Ok(Ok(())) => Ok(Ok(())),
        Ok(Err(broken)) => Err(broken.remains(migration)),
        Err(_) if migration.transaction == Transaction::None => Err(Remains::Statements),
        Err(_) => Err(Remains::Unknown),
    }
}

async fn attempt(
    session: &mut Session,
    migration: &Migration,
    direction: Direction,
    build: &str,
) -> Result<(), Broken> {
    let started = Instant::now();
    let (sql, file) = match direction {
        Direction::Up => (&migration.up, migration.up_file()),
        Direction::Down => (&migration.down, migration.down_file()),
    };
    if migration.transaction == Transaction::None {
        traced(&file, outside_a_transaction(session, sql)).await?;
    }
    let transaction = session.client.transaction().await?;
    transaction
        .batch_execute(&format!("SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
        .await?;
    if migration.transaction == Transaction::Yes {
        traced(&file, transaction.batch_execute(sql)).await?;
    }
    match direction {
        Direction::Up => ledger::add(&transaction, migration, started.elapsed(), build).await?,
        Direction::Down => ledger::remove(&transaction, migration.version).await?,
    }
    transaction.commit().await.map_err(|error| Broken {
        error,
        committing: true,
    })
}

/// Runs the statements of a file within a client span.
async fn traced(
    file: &str,
    statements: impl Future<Output = Result<(), tokio_postgres::Error>>,
) -> Result<(), tokio_postgres::Error> {
    let span = info_span!(
        "database.execute",
        otel.name = file,
        otel.kind = "client",
        db.system.name = "postgresql",
        db.query.summary = file,
    );
    let result = statements.instrument(span.clone()).await;
    if let Err(error) = &result {
        process::telemetry::fail(&span, error);
    }
    result
}

/// Runs a file statement by statement; each ends with a semicolon at the end of a line.
async fn outside_a_transaction(session: &Session, sql: &str) -> Result<(), tokio_postgres::Error> {
    let client = &session.client;
    client
        .batch_execute(&format!("SET lock_timeout = '{LOCK_TIMEOUT}'"))
        .await?;
    for index in left_over_indexes(session, sql).await? {
        warn!("dropping the index {index}, which an interrupted run has left half built");
        client
            .batch_execute(&format!("DROP INDEX CONCURRENTLY IF EXISTS {index}"))
            .await?;
    }
    for statement in sql
        .split_inclusive(";\n")
        .filter(|statement| statement.trim_end().ends_with(';'))
    {
        client.batch_execute(statement).await?;
    }
    Ok(())
}

const INVALID_INDEXES: &str = "
SELECT format('%I.%I', namespace.nspname, class.relname)
FROM pg_index AS index
JOIN pg_class AS class ON class.oid = index.indexrelid AND class.relkind = 'i'
JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE NOT index.indisvalid
    AND namespace.nspname = current_schema()
    AND position(class.relname IN $1) > 0
";

/// The invalid indexes of names that the file mentions: an interrupted `CREATE INDEX CONCURRENTLY`.
async fn left_over_indexes(session: &Session, sql: &str) -> Result<Vec<String>, tokio_postgres::Error> {
    let rows = session
        .client
        .query_typed(INVALID_INDEXES, &[(&sql, Type::TEXT)])
        .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// Errors that another attempt may be spared.
fn is_lock_trouble(error: &tokio_postgres::Error) -> bool {
    error
        .code()
        .is_some_and(|code| *code == SqlState::LOCK_NOT_AVAILABLE || *code == SqlState::T_R_DEADLOCK_DETECTED)
}
