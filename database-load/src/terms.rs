//! What every command is told: how long it may wait, how long it may take, and what stops it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use process::failure::{ExitCode, Failure};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long a command may wait and take, and who may stop it.
#[derive(Clone, Debug)]
pub struct Terms {
    /// How long to wait for the database, and for the schema in it. Default: 60 s.
    pub wait_timeout: Duration,
    /// How long to wait for another load of the same data to end. Default: 600 s.
    pub lock_timeout: Duration,
    /// How long all of it may take; what was not published by then is rolled back. Default: 15 min.
    pub timeout: Duration,
    /// The version of this build, for the record.
    pub build: String,
    /// Cancels the command: what was not published is rolled back.
    pub cancel: CancellationToken,
}

impl Default for Terms {
    fn default() -> Terms {
        Terms {
            wait_timeout: Duration::from_secs(60),
            lock_timeout: Duration::from_secs(600),
            timeout: Duration::from_secs(15 * 60),
            build: env!("CARGO_PKG_VERSION").into(),
            cancel: CancellationToken::new(),
        }
    }
}

/// Ends a command before it is done: at a signal, or when its time is over. The clock runs from its making.
pub(crate) struct Stop {
    token: CancellationToken,
    is_late: Arc<AtomicBool>,
    timeout: Duration,
    clock: JoinHandle<()>,
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.clock.abort();
    }
}

impl Stop {
    pub(crate) fn new(terms: &Terms) -> Stop {
        let (token, timeout) = (terms.cancel.child_token(), terms.timeout);
        let is_late = Arc::new(AtomicBool::new(false));
        let clock = tokio::spawn({
            let (token, is_late) = (token.clone(), Arc::clone(&is_late));
            async move {
                tokio::time::sleep(timeout).await;
                // A signal that came before has the word.
                if !token.is_cancelled() {
                    is_late.store(true, Ordering::Release);
                    token.cancel();
                }
            }
        });
        Stop {
            token,
            is_late,
            timeout,
            clock,
        }
    }

    pub(crate) async fn requested(&self) {
        self.token.cancelled().await;
    }

    pub(crate) fn is_requested(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Exit 143 after a signal, exit 6 when the time is over.
    pub(crate) fn failure(&self) -> Failure {
        self.failure_saying("nothing was changed")
    }

    /// As [`Stop::failure`], with other words about what became of the work.
    pub(crate) fn failure_saying(&self, left: &str) -> Failure {
        if self.is_late.load(Ordering::Acquire) {
            let seconds = self.timeout.as_secs_f64();
            let message = format!("not done within {seconds} s (--timeout); {left}");
            return Failure::new(ExitCode::Input, message);
        }
        Failure::new(ExitCode::Terminated, format!("stopped by a signal; {left}"))
    }

    /// Does the work, unless it is stopped first: then the work is dropped where it stands.
    pub(crate) async fn or<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            () = self.requested() => Err(self.failure()),
            done = work => done,
        }
    }
}
