//! What every command is told: how long it may wait, how long it may take, and what stops it.

use std::time::Duration;

use one_shot::{Deadline, StopReason, Trigger};
use process::failure::Failure;
use process::panics;
use tokio_util::sync::CancellationToken;

/// Limits of a command, and what stops it.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// How long to wait for the database, and for the schema in it. Default: 60 s.
    pub wait_timeout: Duration,
    /// How long to wait for another load of the same data to end. Default: 600 s.
    pub lock_timeout: Duration,
    /// How long all of it may take; what was not published by then is rolled back. Default: 15 min.
    pub timeout: Duration,
    /// The version of this build, for the record.
    pub build: String,
    /// What started the command, for the record.
    pub trigger: Trigger,
    /// Cancels the command: what was not published is rolled back.
    pub cancel: CancellationToken,
}

impl Default for RunOptions {
    fn default() -> RunOptions {
        RunOptions {
            wait_timeout: Duration::from_secs(60),
            lock_timeout: Duration::from_secs(600),
            timeout: Duration::from_secs(15 * 60),
            build: env!("CARGO_PKG_VERSION").into(),
            trigger: Trigger::default(),
            cancel: CancellationToken::new(),
        }
    }
}

impl RunOptions {
    /// Starts the clock of a command.
    pub(crate) fn deadline(&self) -> Deadline {
        Deadline::new(&self.cancel, self.timeout)
    }
}

/// Does the work, unless the command is stopped first: the work is dropped then, as when it panics.
pub(crate) async fn or_stop<T>(
    deadline: &Deadline,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let work = panics::caught_in(work);
    match deadline.or_stop(Duration::ZERO, work).await {
        Ok(done) => done.unwrap_or_else(|panicked| Err(panicked.into())),
        Err(reason) => Err(stopped(reason)),
    }
}

/// The failure of a command that was stopped before it changed anything.
pub(crate) fn stopped(reason: StopReason) -> Failure {
    reason.failure("nothing was changed")
}
