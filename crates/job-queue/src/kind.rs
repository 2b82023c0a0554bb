//! What is fixed about a kind of job: priority, limits, and what happens when the queue is full.

use std::time::Duration;

use crate::priority::Priority;

/// A kind of job. A constant beside its handler: see [`Job::KIND`](crate::Job::KIND).
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Unique name, `noun.noun`, at most 100 bytes: stored with each job.
    pub name: &'static str,
    /// Label `queue` of the metrics, e.g. `refresh`: several kinds may share one.
    pub queue: &'static str,
    /// Priority unless the job says otherwise.
    pub priority: Priority,
    /// How long one attempt may take; default 15 min, 1 ms to 24 days.
    pub timeout: Duration,
    /// Attempts in all; `None`, the default: what the worker's settings say for the priority.
    pub max_attempts: Option<u16>,
    /// What happens to a job of this kind when its priority is full; default
    /// [`Overflow::Accept`].
    pub overflow: Overflow,
    /// Delays before the second, third … attempt; the last one repeats. Empty, the default:
    /// 5 s · 4^(attempt − 1), at most 1 h. Each is varied by ± 20 %.
    pub delays: &'static [Duration],
}

/// The fate of a job whose priority holds as many queued jobs as its capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// Enqueued all the same, counted and warned of: it belongs to something that must not fail.
    Accept,
    /// Refused: [`QueueFull`](crate::QueueFull). A person asked, and may ask again.
    Reject,
    /// Left out without an error: the next one of its schedule does the same work.
    Skip,
    /// Enqueued with the next less urgent priority that has room, BULK at last.
    Demote,
}

impl Kind {
    /// A kind with the defaults of all other fields; its label `queue` is its name up to the dot.
    #[must_use]
    pub const fn new(name: &'static str, queue: &'static str, priority: Priority) -> Kind {
        Kind {
            name,
            queue,
            priority,
            timeout: Duration::from_secs(15 * 60),
            max_attempts: None,
            overflow: Overflow::Accept,
            delays: &[],
        }
    }

    /// Another limit of one attempt.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Kind {
        self.timeout = timeout;
        self
    }

    /// A number of attempts of its own, at least 1.
    #[must_use]
    pub const fn max_attempts(mut self, attempts: u16) -> Kind {
        self.max_attempts = Some(attempts);
        self
    }

    /// Another policy for a full queue.
    #[must_use]
    pub const fn overflow(mut self, overflow: Overflow) -> Kind {
        self.overflow = overflow;
        self
    }

    /// Delays of its own between attempts.
    #[must_use]
    pub const fn delays(mut self, delays: &'static [Duration]) -> Kind {
        self.delays = delays;
        self
    }

    /// Delay before attempt `attempt + 1`; `attempt` counts from 1, `jitter` is −1 to 1.
    #[must_use]
    pub fn delay(&self, attempt: u16, jitter: f64) -> Duration {
        let position = usize::from(attempt.saturating_sub(1));
        let planned = match self.delays.get(position).or(self.delays.last()) {
            Some(delay) => *delay,
            None => FIRST_DELAY
                .saturating_mul(4u32.saturating_pow(u32::from(attempt.saturating_sub(1))))
                .min(LONGEST_DELAY),
        };
        planned.mul_f64(1.0 + 0.2 * jitter.clamp(-1.0, 1.0))
    }
}

const FIRST_DELAY: Duration = Duration::from_secs(5);
const LONGEST_DELAY: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Kind = Kind::new("test.plain", "test", Priority::Default);

    #[test]
    fn delays_grow_fourfold_to_an_hour() {
        let seconds = |attempt| PLAIN.delay(attempt, 0.0).as_secs();

        assert_eq!(
            [1, 2, 3, 4, 5, 6, 7, 60_000].map(seconds),
            [5, 20, 80, 320, 1280, 3600, 3600, 3600]
        );
    }

    #[test]
    fn a_kind_may_have_delays_of_its_own_and_the_last_repeats() {
        const DELAYS: &[Duration] = &[Duration::from_secs(5), Duration::from_secs(300)];
        let kind = PLAIN.delays(DELAYS);

        assert_eq!(
            [1, 2, 3].map(|attempt| kind.delay(attempt, 0.0).as_secs()),
            [5, 300, 300]
        );
    }

    #[test]
    fn the_jitter_is_a_fifth_either_way() {
        assert_eq!(
            [-5.0, -1.0, 1.0, 7.0].map(|jitter| PLAIN.delay(1, jitter).as_secs()),
            [4, 4, 6, 6]
        );
    }
}
