//! Attempts at work that needs locks: repeated until they are granted, canceled when the run stops.

use std::time::{Duration, Instant};

use one_shot::StopReason;
use one_shot::exit_code::is_lost;
use process::failure;
use tokio_postgres::Error as PgError;
use tokio_postgres::error::SqlState;
use tracing::warn;

use crate::error::{Error, PartialEffect};
use crate::run_context::RunContext;
use crate::session::{self, LOCK_TIMEOUT, Session};

/// Pauses between two attempts, growing from the first to the last: traffic flows in between.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));

/// Interval at which a second session looks for blockers, until it finds one.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a canceled statement may take to end; the server needs milliseconds.
const ROLLBACK: Duration = Duration::from_secs(5);

const NO_BLOCKER: &str = "no session is known to be in the way";

/// Work that needs locks.
pub(crate) trait Attempt: Sync {
    type Done: Send;

    /// Names the work in the log: `0001_shop/up.sql`.
    fn name(&self) -> String;

    /// Whether an attempt is one transaction.
    fn is_transaction(&self) -> bool;

    /// One attempt, given the time that is left for locks.
    fn attempt(
        &self,
        session: &mut Session,
        left: Duration,
    ) -> impl Future<Output = Result<Self::Done, AttemptError>> + Send;
}

/// An attempt that failed.
pub(crate) struct AttemptError {
    pub(crate) error: Error,
    /// Another attempt may not meet it.
    pub(crate) is_passing: bool,
    /// The server had been asked to commit: it may have done so.
    pub(crate) committing: bool,
}

impl AttemptError {
    /// It passes if a session in the way was the cause.
    pub(crate) fn new(error: Error) -> Self {
        let passing = [SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED];
        let code = error.statement().and_then(PgError::code);
        Self {
            is_passing: code.is_some_and(|code| passing.contains(code)),
            committing: false,
            error,
        }
    }

    /// Statements of `file` failed; `committing` as in the field.
    pub(crate) fn failed(file: String, committing: bool, source: PgError) -> Self {
        // The right one is known to `make`.
        let effect = PartialEffect::Nothing;
        Self {
            committing,
            ..Self::new(Error::Failed { file, effect, source })
        }
    }

    fn effect(&self, work: &impl Attempt) -> PartialEffect {
        let is_lost = self.error.statement().is_some_and(is_lost);
        match work.is_transaction() {
            false => PartialEffect::Statements,
            true if self.committing && is_lost => PartialEffect::Unknown,
            true => PartialEffect::Nothing,
        }
    }
}

/// How one attempt went.
enum Supervised<T> {
    Ended(Result<T, AttemptError>),
    /// Ended from outside, and what it has left behind.
    Stopped(StopReason, PartialEffect),
}

/// Makes attempts for as long as `--lock-timeout` allows; returns what the work returns, and the
/// number of attempts.
pub(crate) async fn make<W: Attempt>(
    context: &RunContext<'_>,
    session: &mut Session,
    work: &W,
) -> Result<(W::Done, usize), Error> {
    let deadline = &context.deadline;
    let lock_wait = deadline.cap(context.migrator.lock_timeout);
    let started = Instant::now();
    let mut blockers = None;
    let mut pause = PAUSES.0;
    let mut attempt = 1;
    let file = work.name();
    loop {
        let left = lock_wait.saturating_sub(started.elapsed());
        let failed = match supervise(context, session, work, left, &mut blockers).await {
            Supervised::Ended(Ok(done)) => return Ok((done, attempt)),
            Supervised::Ended(Err(failed)) => failed,
            Supervised::Stopped(StopReason::Timeout(_), _) if blockers.is_some() => {
                return Err(blocked(file, attempt, blockers));
            }
            Supervised::Stopped(why, effect) => return Err(stopped(why, file, effect)),
        };
        let effect = failed.effect(work);
        if !failed.is_passing {
            return Err(failed.error.with_effect(effect));
        }
        if started.elapsed() >= lock_wait {
            return Err(blocked(file, attempt, blockers));
        }
        let cause = failed.error.statement().map(|cause| failure::line(cause));
        let in_the_way = blockers
            .clone()
            .unwrap_or_else(|| format!("{NO_BLOCKER} ({})", cause.unwrap_or_default()));
        warn!(
            file,
            attempt,
            in_the_way,
            "{file} did not get its locks within {LOCK_TIMEOUT}; trying again: {in_the_way}"
        );
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            why = deadline.reached(Duration::ZERO) => return Err(stopped(why, file, effect)),
        }
        pause = (pause * 2).min(PAUSES.1);
        attempt += 1;
    }
}

/// One attempt. While it lasts, looks for blockers.
async fn supervise<W: Attempt>(
    context: &RunContext<'_>,
    session: &mut Session,
    work: &W,
    left: Duration,
    blockers: &mut Option<String>,
) -> Supervised<W::Done> {
    let (database, pid) = (&context.migrator.database, session.pid);
    let mut attempt = std::pin::pin!(work.attempt(session, left));
    let mut look = std::pin::pin!(async {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if let Some(found) = session::blockers(database, pid).await {
                return found;
            }
        }
    });
    let mut looking = true;
    let why = loop {
        tokio::select! {
            result = &mut attempt => return Supervised::Ended(result),
            found = &mut look, if looking => {
                looking = false;
                *blockers = Some(found);
            }
            why = context.deadline.reached(Duration::ZERO) => break why,
        }
    };
    if matches!(why, StopReason::Timeout(_)) {
        // Waiting for a lock to the last is another end than having too much to do.
        *blockers = session::blockers(database, pid).await;
    }
    session::cancel(database, pid).await;
    let effect = match tokio::time::timeout(ROLLBACK, attempt).await {
        // It was committing already: that cannot be taken back, and is no loss.
        Ok(Ok(done)) => return Supervised::Ended(Ok(done)),
        Ok(Err(failed)) => failed.effect(work),
        Err(_) if !work.is_transaction() => PartialEffect::Statements,
        Err(_) => PartialEffect::Unknown,
    };
    Supervised::Stopped(why, effect)
}

fn blocked(file: String, attempts: usize, blockers: Option<String>) -> Error {
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
