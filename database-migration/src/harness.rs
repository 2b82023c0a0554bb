//! Runs one migration: its transaction, its rows in the ledger, its span, and its attempts.
//!
//! The part of diesel's `MigrationHarness`, over tokio-postgres:
//! `docs/decisions/0007-migrations.md`.

use std::time::{Duration, Instant};

use one_shot::StopReason;
use one_shot::exit_code::is_lost;
use process::failure;
use tokio_postgres::Error as PgError;
use tokio_postgres::error::SqlState;
use tracing::{Instrument as _, Span, info_span, warn};

use crate::concurrent_index;
use crate::error::{Error, PartialEffect};
use crate::ledger;
use crate::roles::grants;
use crate::run_context::RunContext;
use crate::session::{self, LOCK_TIMEOUT, Session};
use crate::source::{Direction, Migration, Step};

/// Pauses between two attempts, growing from the first to the last: traffic flows in between.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));

/// Time after which a second session looks for blockers of the migration.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// How long a canceled statement may take to end; the server needs milliseconds.
const ROLLBACK: Duration = Duration::from_secs(5);

/// Runs one migration inside its span; returns the number of attempts.
pub(crate) async fn run(
    context: &RunContext<'_>,
    session: &mut Session,
    migration: &Migration,
    direction: Direction,
) -> Result<u32, Error> {
    let span = span(migration, direction);
    let started = Instant::now();
    let result = attempts(context, session, migration, direction)
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
    match (direction, migration.metadata.step) {
        (Direction::Down, _) => span!("migration.revert"),
        (Direction::Up, Step::CreateTables) => span!("migration.createTables"),
        (Direction::Up, Step::CreateIndexes) => span!("migration.createIndexes"),
        (Direction::Up, Step::AlterTables) => span!("migration.alterTables"),
    }
}

async fn attempts(
    context: &RunContext<'_>,
    session: &mut Session,
    migration: &Migration,
    direction: Direction,
) -> Result<u32, Error> {
    let (file, sql) = direction.file(migration);
    let lock_wait = context.deadline.cap(context.migrator.lock_timeout);
    let started = Instant::now();
    let mut blockers = None;
    let mut pause = PAUSES.0;
    let mut attempt = 1;
    let error = loop {
        let left = lock_wait.saturating_sub(started.elapsed());
        let failed = match supervised(context, session, migration, direction, left, &mut blockers).await {
            Supervised::Ended(Ok(())) => return Ok(attempt),
            Supervised::Ended(Err(failed)) => failed,
            Supervised::Stopped(StopReason::Timeout(_), _) if blockers.is_some() => {
                break blocked(file, attempt, blockers);
            }
            Supervised::Stopped(why, effect) => break stopped(why, file, effect),
        };
        let Some(error) = failed.passing() else {
            let effect = failed.effect(migration);
            break Error::Failed {
                file,
                effect,
                source: failed.error,
            };
        };
        if started.elapsed() >= lock_wait {
            break blocked(file, attempt, blockers);
        }
        let in_the_way = blockers
            .clone()
            .unwrap_or_else(|| format!("{NO_BLOCKER} ({})", failure::line(error)));
        warn!(
            file,
            attempt,
            in_the_way,
            "{file} did not get its locks within {LOCK_TIMEOUT}; trying again: {in_the_way}"
        );
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            why = context.deadline.reached(Duration::ZERO) => break stopped(why, file, failed.effect(migration)),
        }
        pause = (pause * 2).min(PAUSES.1);
        attempt += 1;
    };
    if !migration.metadata.run_in_transaction {
        concurrent_index::tidy(session, sql).await;
    }
    Err(error)
}

const NO_BLOCKER: &str = "no session is known to be in the way";

fn blocked(file: String, attempts: u32, blockers: Option<String>) -> Error {
    Error::Blocked {
        file,
        attempts,
        blockers: blockers.unwrap_or_else(|| NO_BLOCKER.into()),
    }
}

fn stopped(why: StopReason, file: String, effect: PartialEffect) -> Error {
    Error::Stopped {
        why,
        during: Some((file, effect)),
    }
}

/// An attempt that failed.
struct AttemptError {
    error: PgError,
    /// The server had been asked to commit: it may have done so.
    committing: bool,
}

impl AttemptError {
    fn effect(&self, migration: &Migration) -> PartialEffect {
        match migration.metadata.run_in_transaction {
            false => PartialEffect::Statements,
            true if self.committing && is_lost(&self.error) => PartialEffect::Unknown,
            true => PartialEffect::Nothing,
        }
    }

    /// The error, if another attempt may not meet it.
    fn passing(&self) -> Option<&PgError> {
        let passing = [SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED];
        self.error
            .code()
            .filter(|code| passing.contains(code))
            .map(|_| &self.error)
    }
}

impl From<PgError> for AttemptError {
    fn from(error: PgError) -> Self {
        Self {
            error,
            committing: false,
        }
    }
}

/// How one attempt went.
enum Supervised {
    Ended(Result<(), AttemptError>),
    /// Ended from outside, and what it has left behind.
    Stopped(StopReason, PartialEffect),
}

/// One attempt. While it lasts, looks once for blockers.
async fn supervised(
    context: &RunContext<'_>,
    session: &mut Session,
    migration: &Migration,
    direction: Direction,
    left: Duration,
    blockers: &mut Option<String>,
) -> Supervised {
    let pid = session.pid;
    let mut attempt = std::pin::pin!(attempt(context, session, migration, direction, left));
    let mut look = std::pin::pin!(async {
        tokio::time::sleep(LOOK_AFTER).await;
        session::blockers(&context.migrator.database, pid).await
    });
    let mut looked = false;
    let why = loop {
        tokio::select! {
            result = &mut attempt => return Supervised::Ended(result),
            found = &mut look, if !looked => {
                looked = true;
                *blockers = found.or(blockers.take());
            }
            why = context.deadline.reached(Duration::ZERO) => break why,
        }
    };
    if matches!(why, StopReason::Timeout(_)) {
        // Waiting for a lock to the last is another end than having too much to do.
        *blockers = session::blockers(&context.migrator.database, pid).await;
    }
    session::cancel(&context.migrator.database, pid).await;
    let effect = match tokio::time::timeout(ROLLBACK, attempt).await {
        // It was committing already: that cannot be taken back, and is no loss.
        Ok(Ok(())) => return Supervised::Ended(Ok(())),
        Ok(Err(failed)) => failed.effect(migration),
        Err(_) if !migration.metadata.run_in_transaction => PartialEffect::Statements,
        Err(_) => PartialEffect::Unknown,
    };
    Supervised::Stopped(why, effect)
}

async fn attempt(
    context: &RunContext<'_>,
    session: &mut Session,
    migration: &Migration,
    direction: Direction,
    lock_wait: Duration,
) -> Result<(), AttemptError> {
    let started = Instant::now();
    let (file, sql) = direction.file(migration);
    if !migration.metadata.run_in_transaction {
        traced(&file, concurrent_index::run(session, sql, lock_wait)).await?;
    }
    let transaction = session.client.transaction().await?;
    transaction
        .batch_execute(&format!("SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
        .await?;
    if migration.metadata.run_in_transaction {
        traced(&file, transaction.batch_execute(sql)).await?;
    }
    match direction {
        Direction::Up => {
            ledger::write(
                &transaction,
                migration,
                Some(started.elapsed()),
                &context.migrator.build,
            )
            .await?;
            grants::bring_in_line(&transaction, &context.migrator.roles).await?;
        }
        Direction::Down => ledger::remove(&transaction, migration).await?,
    }
    transaction.commit().await.map_err(|error| AttemptError {
        error,
        committing: true,
    })
}

/// Runs the statements of a file within a client span.
async fn traced(file: &str, statements: impl Future<Output = Result<(), PgError>>) -> Result<(), PgError> {
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
