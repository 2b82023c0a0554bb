//! Runs one migration: its transaction, its row in the ledger, its span, and its patience.

use std::time::{Duration, Instant};

use database::Database;
use process::failure;
use serde::Serialize;
use tokio_postgres::error::SqlState;
use tracing::{Instrument as _, Span, info_span};

use crate::concurrently;
use crate::error::{Error, Remains, is_lost};
use crate::event::Event;
use crate::ledger;
use crate::limit::{Limit, Stop};
use crate::migration::{Migration, Step, Transaction};
use crate::roles::{Names, grants};
use crate::rows::{self, Loss};
use crate::session::{self, Session};

/// How long a statement of a migration waits for a lock. Everything that arrives meanwhile queues up
/// behind it, so the whole system stands still for at most this long.
pub(crate) const LOCK_TIMEOUT: &str = "2s";

/// Pauses between two attempts, growing from the first to the last: traffic flows in between.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));

/// A migration that takes longer than this is asked who is in its way.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// How long a canceled statement may take to end; the server needs milliseconds.
const ROLLBACK: Duration = Duration::from_secs(5);

/// Which of its two files a migration is run with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// It is applied.
    Up,
    /// It is taken back.
    Down,
}

impl Direction {
    /// The word for what is done: the end of the span's name.
    pub(crate) fn kind(self, migration: &Migration) -> &'static str {
        match self {
            Self::Up => migration.step.word(),
            Self::Down => "revert",
        }
    }

    /// The name and the text of the file.
    pub(crate) fn file(self, migration: &Migration) -> (String, &str) {
        match self {
            Self::Up => (migration.up_file(), &migration.up),
            Self::Down => (migration.down_file(), &migration.down),
        }
    }
}

/// What running a migration needs besides its session.
pub(crate) struct Conditions<'a> {
    pub(crate) database: &'a Database,
    /// How long attempts that get no lock are repeated.
    pub(crate) patience: Duration,
    pub(crate) build: &'a str,
    pub(crate) roles: &'a Names,
    pub(crate) limit: &'a Limit,
    pub(crate) tell: &'a (dyn Fn(Event) + Sync),
    /// What must be empty when it is dropped.
    pub(crate) guarded: &'a [Loss],
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
    let (file, sql) = direction.file(migration);
    let patience = conditions.limit.cap(conditions.patience);
    let started = Instant::now();
    let mut blockers = None;
    let mut pause = PAUSES.0;
    let mut attempt = 1;
    let error = loop {
        let left = patience.saturating_sub(started.elapsed());
        let broken = match watched(session, migration, direction, conditions, left, &mut blockers).await {
            Watched::Ended(Ok(())) => return Ok(attempt),
            Watched::Ended(Err(broken)) => broken,
            Watched::Stopped(Stop::Timeout(_), _) if blockers.is_some() => {
                break blocked(file, attempt, blockers);
            }
            Watched::Stopped(why, remains) => break stopped(why, file, remains),
        };
        let Some(error) = broken.lock_trouble() else {
            break broken.into_error(file, migration);
        };
        if started.elapsed() >= patience {
            break blocked(file, attempt, blockers);
        }
        let retried = Event::StepRetried {
            file: file.clone(),
            attempt,
            in_the_way: blockers
                .clone()
                .unwrap_or_else(|| format!("{NOBODY} ({})", failure::line(error))),
        };
        (conditions.tell)(retried);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            why = conditions.limit.reached() => break stopped(why, file, broken.remains(migration)),
        }
        pause = (pause * 2).min(PAUSES.1);
        attempt += 1;
    };
    if migration.transaction == Transaction::None {
        concurrently::tidy(session, sql).await;
    }
    Err(error)
}

const NOBODY: &str = "nobody is known to be in the way";

fn blocked(file: String, attempts: u32, blockers: Option<String>) -> Error {
    Error::Blocked {
        file,
        attempts,
        blockers: blockers.unwrap_or_else(|| NOBODY.into()),
    }
}

fn stopped(why: Stop, file: String, remains: Remains) -> Error {
    Error::Stopped {
        why,
        during: Some((file, remains)),
    }
}

/// An attempt that failed.
enum Broken {
    /// The database said no.
    Database {
        error: tokio_postgres::Error,
        /// The server had been asked to commit: it may have done so.
        committing: bool,
    },
    /// Rows came into what was empty when the run began.
    HoldsRows(Vec<Loss>),
}

impl Broken {
    fn remains(&self, migration: &Migration) -> Remains {
        match (migration.transaction, self) {
            (Transaction::None, _) => Remains::Statements,
            (
                Transaction::Yes,
                Self::Database {
                    error,
                    committing: true,
                },
            ) if is_lost(error) => Remains::Unknown,
            (Transaction::Yes, _) => Remains::Nothing,
        }
    }

    /// The error, if another attempt may be spared it.
    fn lock_trouble(&self) -> Option<&tokio_postgres::Error> {
        let Self::Database { error, .. } = self else {
            return None;
        };
        let is_trouble =
            |code: &SqlState| [SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED].contains(code);
        error.code().is_some_and(is_trouble).then_some(error)
    }

    fn into_error(self, file: String, migration: &Migration) -> Error {
        let remains = self.remains(migration);
        match self {
            Self::Database { error, .. } => Error::Failed {
                file,
                remains,
                source: error,
            },
            Self::HoldsRows(losses) => Error::HoldsRows {
                to: migration.version - 1,
                losses,
            },
        }
    }
}

impl From<tokio_postgres::Error> for Broken {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database {
            error,
            committing: false,
        }
    }
}

/// How one attempt went.
enum Watched {
    Ended(Result<(), Broken>),
    /// Ended from outside, and what it has left behind.
    Stopped(Stop, Remains),
}

/// One attempt. While it lasts, looks once who is in the way.
async fn watched(
    session: &mut Session,
    migration: &Migration,
    direction: Direction,
    conditions: &Conditions<'_>,
    left: Duration,
    blockers: &mut Option<String>,
) -> Watched {
    let pid = session.pid;
    let mut attempt = std::pin::pin!(attempt(session, migration, direction, conditions, left));
    let mut look = std::pin::pin!(async {
        tokio::time::sleep(LOOK_AFTER).await;
        session::blockers(conditions.database, pid).await
    });
    let mut looked = false;
    let why = loop {
        tokio::select! {
            result = &mut attempt => return Watched::Ended(result),
            found = &mut look, if !looked => {
                looked = true;
                *blockers = found.or(blockers.take());
            }
            why = conditions.limit.reached() => break why,
        }
    };
    if matches!(why, Stop::Timeout(_)) {
        // Waiting for somebody to the last is another end than having too much to do.
        *blockers = session::blockers(conditions.database, pid).await;
    }
    session::cancel(conditions.database, pid).await;
    let remains = match tokio::time::timeout(ROLLBACK, attempt).await {
        // It was committing already: that cannot be taken back, and is no loss.
        Ok(Ok(())) => return Watched::Ended(Ok(())),
        Ok(Err(broken)) => broken.remains(migration),
        Err(_) if migration.transaction == Transaction::None => Remains::Statements,
        Err(_) => Remains::Unknown,
    };
    Watched::Stopped(why, remains)
}

async fn attempt(
    session: &mut Session,
    migration: &Migration,
    direction: Direction,
    conditions: &Conditions<'_>,
    patience: Duration,
) -> Result<(), Broken> {
    let started = Instant::now();
    let (file, sql) = direction.file(migration);
    if migration.transaction == Transaction::None {
        refuse(rows::holding(&session.client, conditions.guarded).await?)?;
        traced(&file, concurrently::run(session, sql, patience)).await?;
    }
    let transaction = session.client.transaction().await?;
    transaction
        .batch_execute(&format!("SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
        .await?;
    if migration.transaction == Transaction::Yes {
        refuse(rows::holding_for_good(&transaction, conditions.guarded).await?)?;
        traced(&file, transaction.batch_execute(sql)).await?;
    }
    match direction {
        Direction::Up => {
            ledger::add(&transaction, migration, started.elapsed(), conditions.build).await?;
            grants::bring_in_line(&transaction, conditions.roles).await?;
        }
        Direction::Down => ledger::remove(&transaction, migration.version).await?,
    }
    transaction.commit().await.map_err(|error| Broken::Database {
        error,
        committing: true,
    })
}

fn refuse(holding: Vec<Loss>) -> Result<(), Broken> {
    match holding {
        losses if losses.is_empty() => Ok(()),
        losses => Err(Broken::HoldsRows(losses)),
    }
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
