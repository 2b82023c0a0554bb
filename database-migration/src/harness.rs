//! Runs one migration: its transaction, its rows in the ledger, its span, and its attempts.
//!
//! The part of diesel's `MigrationHarness`, over tokio-postgres:
//! `docs/decisions/0007-migrations.md`.

use std::time::{Duration, Instant};

use tokio_postgres::Error as PgError;
use tracing::{Instrument as _, Span, info_span};

use crate::attempts::{self, Attempt, AttemptError};
use crate::concurrent_index;
use crate::error::Error;
use crate::ledger;
use crate::migrator::Migrator;
use crate::roles::owner;
use crate::run_context::RunContext;
use crate::session::{LOCK_TIMEOUT, Session};
use crate::source::{Direction, Migration, Step};

/// Runs one migration inside its span; returns the number of attempts.
pub(crate) async fn run(
    context: &RunContext<'_>,
    session: &mut Session,
    migration: &Migration,
    direction: Direction,
) -> Result<usize, Error> {
    let span = span(migration, direction);
    let started = Instant::now();
    let work = Work {
        migrator: context.migrator,
        migration,
        direction,
    };
    let attempts = async {
        let result = attempts::make(context, session, &work).await;
        if result.is_err() && !work.is_transaction() {
            concurrent_index::tidy(session, direction.file(migration).1).await;
        }
        result.map(|((), attempts)| attempts)
    };
    let result = attempts.instrument(span.clone()).await;
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

/// One migration in one direction.
struct Work<'a> {
    migrator: &'a Migrator,
    migration: &'a Migration,
    direction: Direction,
}

impl Attempt for Work<'_> {
    type Done = ();

    fn name(&self) -> String {
        self.direction.file(self.migration).0
    }

    fn is_transaction(&self) -> bool {
        self.migration.metadata.run_in_transaction
    }

    async fn attempt(&self, session: &mut Session, left: Duration) -> Result<(), AttemptError> {
        let mut committing = false;
        let run = self.run(session, left, &mut committing).await;
        run.map_err(|source| AttemptError::failed(self.name(), committing, source))
    }
}

impl Work<'_> {
    async fn run(
        &self,
        session: &mut Session,
        lock_wait: Duration,
        committing: &mut bool,
    ) -> Result<(), PgError> {
        let (migrator, migration) = (self.migrator, self.migration);
        let started = Instant::now();
        let (file, sql) = self.direction.file(migration);
        if !self.is_transaction() {
            traced(&file, concurrent_index::run(session, sql, lock_wait)).await?;
        }
        let transaction = session.client.transaction().await?;
        let limit = format!("SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'");
        transaction.batch_execute(&limit).await?;
        if self.is_transaction() {
            traced(&file, transaction.batch_execute(sql)).await?;
        }
        match self.direction {
            Direction::Up => {
                ledger::write(&transaction, migration, Some(started.elapsed()), &migrator.build).await?;
                owner::bring_rights_in_line(&transaction, &migrator.roles).await?;
            }
            Direction::Down => ledger::remove(&transaction, migration).await?,
        }
        *committing = true;
        transaction.commit().await
    }
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
