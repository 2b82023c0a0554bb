//! When a run has to end although its work is not done: a signal, or its time is up.

use std::fmt;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

/// What limits itself to the time left, and knows more to say when it is up, gets this much longer.
const GRACE: Duration = Duration::from_secs(2);

/// The same for connecting, which the rest may depend on.
const LAST_CHANCE: Duration = Duration::from_secs(1);

/// Why a run was ended before its work was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// SIGTERM or SIGINT.
    Signal,
    /// `--timeout`, which was this long.
    Timeout(Duration),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal => f.write_str("stopped by a signal"),
            Self::Timeout(limit) => write!(f, "stopped after {} s (--timeout)", limit.as_secs()),
        }
    }
}

/// The limits of one run, which begins when this is made.
#[derive(Debug)]
pub(crate) struct Limit {
    signal: CancellationToken,
    started: Instant,
    timeout: Duration,
}

impl Limit {
    pub(crate) fn new(signal: &CancellationToken, timeout: Duration) -> Self {
        Self {
            signal: signal.clone(),
            started: Instant::now(),
            timeout,
        }
    }

    /// How long the run has taken so far.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// As long as wanted, but not beyond the end of the run.
    pub(crate) fn cap(&self, wanted: Duration) -> Duration {
        wanted.min(self.timeout.saturating_sub(self.elapsed()))
    }

    /// Whether the run has to end now.
    pub(crate) fn stop(&self) -> Option<Stop> {
        if self.signal.is_cancelled() {
            Some(Stop::Signal)
        } else if self.elapsed() >= self.timeout {
            Some(Stop::Timeout(self.timeout))
        } else {
            None
        }
    }

    /// Returns when the run has to end.
    pub(crate) async fn reached(&self) -> Stop {
        self.reached_after(Duration::ZERO).await
    }

    /// Returns a second after the time is up, whatever signals come.
    pub(crate) async fn no_more_connecting(&self) {
        tokio::time::sleep(self.timeout.saturating_sub(self.elapsed()) + LAST_CHANCE).await;
    }

    /// As `reached`, for work that keeps to [`cap`](Self::cap) by itself: that shall say what it was waiting for.
    pub(crate) async fn overrun(&self) -> Stop {
        self.reached_after(GRACE).await
    }

    async fn reached_after(&self, grace: Duration) -> Stop {
        let left = self.timeout.saturating_sub(self.elapsed()) + grace;
        tokio::select! {
            () = self.signal.cancelled() => Stop::Signal,
            () = tokio::time::sleep(left) => Stop::Timeout(self.timeout),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_wait_goes_beyond_the_end_of_the_run() {
        let limit = Limit::new(&CancellationToken::new(), Duration::from_secs(100));

        assert_eq!(limit.cap(Duration::from_secs(2)), Duration::from_secs(2));
        assert!(limit.cap(Duration::from_secs(200)) <= Duration::from_secs(100));
        assert_eq!(limit.stop(), None);
    }

    #[test]
    fn a_signal_counts_before_the_time() {
        let signal = CancellationToken::new();
        let limit = Limit::new(&signal, Duration::ZERO);
        assert_eq!(limit.stop(), Some(Stop::Timeout(Duration::ZERO)));

        signal.cancel();

        assert_eq!(limit.stop(), Some(Stop::Signal));
    }
}
