//! The settings of the queue and of the worker.

use std::ops::RangeInclusive;

use job_queue::{Capacities, PriorityFilter};
use process::failure::{ExitCode, Failure, OrExit};
use serde::Deserialize;

/// Section `[jobs]`; keys, units and defaults stand in `config/default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub scheduler_enabled: bool,
    pub priority_filter: String,
    pub concurrency: usize,
    pub pool: String,
    pub pool_size: usize,
    pub poll_ms: u64,
    pub heartbeat_ms: u64,
    pub retention_s: u64,
    pub audit_retention_s: u64,
    pub idempotency_sweep_in: SweepPlace,
    pub queue_capacity: PerPriority,
    pub retry_max_attempts: PerPriority,
}

/// One number per priority.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerPriority {
    pub critical: u64,
    pub high: u64,
    pub default: u64,
    pub low: u64,
    pub bulk: u64,
}

/// Where expired Idempotency-Keys are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SweepPlace {
    /// In each API process, every `IDEMPOTENCY_SWEEP` seconds.
    Api,
    /// By the periodic job `maintenance.idempotency_purge`.
    Workers,
}

/// Environment variables and the settings that they set.
pub(crate) const ENVIRONMENT: &[(&str, &str)] = &[
    ("QUARKUS_SCHEDULER_ENABLED", "jobs.scheduler_enabled"),
    ("JOBS_SCHEDULER_ENABLED", "jobs.scheduler_enabled"),
    ("WORKER_PRIORITY_FILTER", "jobs.priority_filter"),
    ("WORKER_CONCURRENCY", "jobs.concurrency"),
    ("WORKER_POOL", "jobs.pool"),
    ("WORKER_POOL_SIZE", "jobs.pool_size"),
    ("JOBS_POLL_MS", "jobs.poll_ms"),
    ("JOBS_HEARTBEAT_MS", "jobs.heartbeat_ms"),
    ("JOBS_RETENTION", "jobs.retention_s"),
    ("JOBS_AUDIT_RETENTION", "jobs.audit_retention_s"),
    ("IDEMPOTENCY_SWEEP_IN", "jobs.idempotency_sweep_in"),
    ("JOBS_QUEUE_CAPACITY_CRITICAL", "jobs.queue_capacity.critical"),
    ("JOBS_QUEUE_CAPACITY_HIGH", "jobs.queue_capacity.high"),
    ("JOBS_QUEUE_CAPACITY_DEFAULT", "jobs.queue_capacity.default"),
    ("JOBS_QUEUE_CAPACITY_LOW", "jobs.queue_capacity.low"),
    ("JOBS_QUEUE_CAPACITY_BULK", "jobs.queue_capacity.bulk"),
    (
        "JOBS_RETRY_MAX_ATTEMPTS_CRITICAL",
        "jobs.retry_max_attempts.critical",
    ),
    ("JOBS_RETRY_MAX_ATTEMPTS_HIGH", "jobs.retry_max_attempts.high"),
    (
        "JOBS_RETRY_MAX_ATTEMPTS_DEFAULT",
        "jobs.retry_max_attempts.default",
    ),
    ("JOBS_RETRY_MAX_ATTEMPTS_LOW", "jobs.retry_max_attempts.low"),
    ("JOBS_RETRY_MAX_ATTEMPTS_BULK", "jobs.retry_max_attempts.bulk"),
];

/// `QUARKUS_SCHEDULER_ENABLED` once more, to go before a `JOBS_SCHEDULER_ENABLED` that is true: a
/// pause must not be ignored because a Deployment enables the scheduler under the other name.
pub(crate) fn pause_by_either_name() -> Option<(&'static str, &'static str)> {
    let enabled = process::settings::variable("JOBS_SCHEDULER_ENABLED")?.to_lowercase();
    ["true", "1", "on", "yes"]
        .contains(&enabled.as_str())
        .then_some(("QUARKUS_SCHEDULER_ENABLED", "jobs.scheduler_enabled"))
}

/// The variables of a table with one number per priority, in the order of `ENVIRONMENT`.
fn named(table: &str) -> impl Iterator<Item = &'static str> {
    let of_table = move |(_, key): &&(&str, &str)| key.starts_with(table);
    ENVIRONMENT.iter().filter(of_table).map(|(name, _)| *name)
}

impl PerPriority {
    /// In the order of [`job_queue::Priority::ALL`].
    fn all(&self) -> [u64; 5] {
        [self.critical, self.high, self.default, self.low, self.bulk]
    }
}

impl Settings {
    /// The priorities that the worker claims.
    ///
    /// # Errors
    /// Exit code 2, naming the priority that does not exist.
    pub(crate) fn filter(&self) -> Result<PriorityFilter, Failure> {
        self.priority_filter
            .parse()
            .or_exit(ExitCode::Usage, "WORKER_PRIORITY_FILTER")
    }

    /// The most queued jobs of each priority.
    pub(crate) fn capacities(&self) -> Capacities {
        self.queue_capacity.all()
    }

    /// Attempts in all of each priority.
    pub(crate) fn max_attempts(&self) -> [u16; 5] {
        self.retry_max_attempts
            .all()
            .map(|attempts| u16::try_from(attempts).unwrap_or(u16::MAX))
    }

    /// Variable, value and range of each number.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = (&'static str, u64, RangeInclusive<u64>)> {
        let capacities = named("jobs.queue_capacity.").zip(self.queue_capacity.all());
        let attempts = named("jobs.retry_max_attempts.").zip(self.retry_max_attempts.all());
        [
            ("WORKER_CONCURRENCY", self.concurrency as u64, 1..=1_000),
            ("WORKER_POOL_SIZE", self.pool_size as u64, 1..=100),
            ("JOBS_POLL_MS", self.poll_ms, 10..=60_000),
            ("JOBS_HEARTBEAT_MS", self.heartbeat_ms, 100..=60_000),
            ("JOBS_RETENTION", self.retention_s, 60..=31_536_000),
            (
                "JOBS_AUDIT_RETENTION",
                self.audit_retention_s,
                86_400..=315_360_000,
            ),
        ]
        .into_iter()
        .chain(capacities.map(|(name, value)| (name, value, 1..=1_000_000_000)))
        .chain(attempts.map(|(name, value)| (name, value, 1..=1_000)))
    }
}
