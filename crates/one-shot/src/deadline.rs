//! The end of a run before its work is done: a signal, or the timeout.

use std::fmt;
use std::time::{Duration, Instant};

use process::failure::{ExitCode, Failure};
use tokio_util::sync::CancellationToken;

/// Why a run was ended before its work was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// SIGTERM or SIGINT.
    Signal,
    /// `--timeout`, which was this long.
    Timeout(Duration),
}

impl StopReason {
    /// 143 after a signal, 6 after the timeout.
    #[must_use]
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Signal => ExitCode::Terminated,
            Self::Timeout(_) => ExitCode::Input,
        }
    }

    /// The failure of the stopped run; `effect` says in words what became of its work.
    #[must_use]
    pub fn failure(self, effect: &str) -> Failure {
        Failure::new(self.exit_code(), format!("{self}; {effect}"))
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal => f.write_str("stopped by a signal"),
            Self::Timeout(limit) => write!(f, "stopped after {} s (--timeout)", limit.as_secs_f64()),
        }
    }
}

/// The limits of one run, which begins when this is made.
#[derive(Debug)]
pub struct Deadline {
    signal: CancellationToken,
    started: Instant,
    timeout: Duration,
}

impl Deadline {
    /// Starts the clock; `signal` is canceled by SIGTERM and SIGINT.
    #[must_use]
    pub fn new(signal: &CancellationToken, timeout: Duration) -> Self {
        Self {
            signal: signal.clone(),
            started: Instant::now(),
            timeout,
        }
    }

    /// Time since the run began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Time until the timeout; zero afterwards.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.timeout.saturating_sub(self.elapsed())
    }

    /// `wanted`, but at most the time that is left.
    #[must_use]
    pub fn cap(&self, wanted: Duration) -> Duration {
        wanted.min(self.left())
    }

    /// Why the run has to end now, if it has to; a signal counts before the timeout.
    #[must_use]
    pub fn reason(&self) -> Option<StopReason> {
        if self.signal.is_cancelled() {
            Some(StopReason::Signal)
        } else if self.left().is_zero() {
            Some(StopReason::Timeout(self.timeout))
        } else {
            None
        }
    }

    /// Returns when the run has to end: at once after a signal, `grace` after the timeout.
    ///
    /// `grace` is for work that keeps to [`cap`](Self::cap) by itself and then has more to say.
    pub async fn reached(&self, grace: Duration) -> StopReason {
        tokio::select! {
            biased;
            () = self.signal.cancelled() => StopReason::Signal,
            () = tokio::time::sleep(self.left() + grace) => StopReason::Timeout(self.timeout),
        }
    }

    /// Does the work, unless the run has to end first: the work is dropped then.
    ///
    /// # Errors
    /// The reason, `grace` after the timeout as for [`reached`](Self::reached).
    pub fn or_stop<T>(
        &self,
        grace: Duration,
        work: impl Future<Output = T>,
    ) -> impl Future<Output = Result<T, StopReason>> {
        let work = Box::pin(work);
        async move {
            tokio::select! {
                biased;
                reason = self.reached(grace) => Err(reason),
                done = work => Ok(done),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_wait_goes_beyond_the_end_of_the_run() {
        let deadline = Deadline::new(&CancellationToken::new(), Duration::from_secs(100));

        assert_eq!(deadline.cap(Duration::from_secs(2)), Duration::from_secs(2));
        assert!(deadline.cap(Duration::from_secs(200)) <= Duration::from_secs(100));
        assert_eq!(deadline.reason(), None);
    }

    #[test]
    fn a_signal_counts_before_the_timeout() {
        let signal = CancellationToken::new();
        let deadline = Deadline::new(&signal, Duration::ZERO);
        assert_eq!(deadline.reason(), Some(StopReason::Timeout(Duration::ZERO)));

        signal.cancel();

        assert_eq!(deadline.reason(), Some(StopReason::Signal));
    }
}
