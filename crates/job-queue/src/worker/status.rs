//! What probes and operators see of a worker.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{DATABASE_TIMEOUT, Shared};
use crate::priority::Priority;
use crate::run::Run;

/// The claiming task hangs if it has not turned for so long.
const HANGS_AFTER: Duration = Duration::from_secs(60);

/// What probes and operators see of a worker. Cheap to clone.
#[derive(Clone)]
pub struct WorkerStatus(Arc<Shared>);

/// A job that runs in this process.
#[derive(Clone, Debug)]
pub struct RunningJob {
    /// Its id.
    pub id: i64,
    /// Its kind.
    pub kind: &'static str,
    /// Its priority.
    pub priority: Priority,
    /// The number of the attempt.
    pub attempt: u16,
    /// How long it has run.
    pub running_for: Duration,
}

/// An attempt that runs.
pub(super) struct Running {
    pub(super) run: Run,
    pub(super) since: Instant,
    /// Drops the handler.
    pub(super) stop: CancellationToken,
}

/// The attempts that run, or whose end is not stored yet, by job and attempt: one that its time
/// limit could not stop may run beside the next.
#[derive(Default)]
pub(super) struct RunningJobs(Mutex<HashMap<(i64, u16), Running>>);

/// Slots that attempts have.
#[derive(Default)]
pub(super) struct Busy {
    all: AtomicUsize,
    patient: AtomicUsize,
}

/// When things last happened.
pub(super) struct Turns(Mutex<Last>);

#[derive(Clone, Copy)]
struct Last {
    turn: Instant,
    claim: Option<SystemTime>,
    heartbeat: Option<Instant>,
    answer: Option<Instant>,
    leader: bool,
}

impl Default for Turns {
    fn default() -> Self {
        Turns(Mutex::new(Last {
            turn: Instant::now(),
            claim: None,
            heartbeat: None,
            answer: None,
            leader: false,
        }))
    }
}

impl RunningJobs {
    pub(super) fn insert(&self, running: Running) {
        let attempt = (running.run.id(), running.run.attempt());
        self.with(|jobs| jobs.insert(attempt, running));
    }

    pub(super) fn remove(&self, run: &Run) {
        self.with(|jobs| jobs.remove(&(run.id(), run.attempt())));
    }

    pub(super) fn len(&self) -> usize {
        self.with(|jobs| jobs.len())
    }

    /// The jobs, those included whose end is not stored yet.
    pub(super) fn ids(&self) -> Vec<i64> {
        self.with(|jobs| jobs.keys().map(|(id, _)| *id).collect())
    }

    /// Drops all handlers.
    pub(super) fn stop_all(&self) {
        self.with(|jobs| jobs.values().for_each(|running| running.stop.cancel()));
    }

    /// The attempts that have run for at least `least`.
    pub(super) fn older_than(&self, least: Duration) -> Vec<Run> {
        self.with(|jobs| {
            jobs.values()
                .filter(|running| running.since.elapsed() >= least)
                .map(|running| running.run.clone())
                .collect()
        })
    }

    pub(super) fn with<T>(&self, act: impl FnOnce(&mut HashMap<(i64, u16), Running>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Busy {
    pub(super) fn take(&self, priority: Priority) {
        self.all.fetch_add(1, Ordering::Relaxed);
        self.patient
            .fetch_add(usize::from(!priority.is_urgent()), Ordering::Relaxed);
    }

    pub(super) fn free(&self, priority: Priority) {
        self.all.fetch_sub(1, Ordering::Relaxed);
        self.patient
            .fetch_sub(usize::from(!priority.is_urgent()), Ordering::Relaxed);
    }

    /// All, and those with jobs that are neither CRITICAL nor HIGH.
    pub(super) fn numbers(&self) -> (usize, usize) {
        (
            self.all.load(Ordering::Relaxed),
            self.patient.load(Ordering::Relaxed),
        )
    }
}

impl Turns {
    pub(super) fn turned(&self) {
        self.with(|last| last.turn = Instant::now());
    }

    pub(super) fn claimed(&self) {
        self.with(|last| last.claim = Some(SystemTime::now()));
    }

    pub(super) fn beat(&self) {
        self.with(|last| last.heartbeat = Some(Instant::now()));
    }

    pub(super) fn answered(&self) {
        self.with(|last| last.answer = Some(Instant::now()));
    }

    pub(super) fn leads(&self, leader: bool) {
        self.with(|last| last.leader = leader);
    }

    /// Time since the last heartbeat; `None` before the first.
    pub(super) fn heartbeat_age(&self) -> Option<Duration> {
        self.with(|last| last.heartbeat).map(|at| at.elapsed())
    }

    fn with<T>(&self, act: impl FnOnce(&mut Last) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl WorkerStatus {
    pub(super) fn new(shared: Arc<Shared>) -> WorkerStatus {
        WorkerStatus(shared)
    }

    /// The id of the worker: `job_worker.id`.
    #[must_use]
    pub fn id(&self) -> uuid::Uuid {
        self.0.id
    }

    /// Whether jobs are claimed, as the settings say.
    #[must_use]
    pub fn enabled(&self) -> bool {
        self.0.settings.enabled
    }

    /// The priorities that are claimed.
    #[must_use]
    pub fn priorities(&self) -> Vec<&'static str> {
        self.0.settings.filter.iter().map(Priority::name).collect()
    }

    /// Scopes that are paused.
    #[must_use]
    pub fn paused(&self) -> Vec<String> {
        self.0.paused_scopes()
    }

    /// Whether this worker leads: rescues and counts depths.
    #[must_use]
    pub fn leader(&self) -> bool {
        self.0.status.with(|last| last.leader)
    }

    /// When a claim last brought jobs.
    #[must_use]
    pub fn last_claim(&self) -> Option<SystemTime> {
        self.0.status.with(|last| last.claim)
    }

    /// Time since the claiming task last turned.
    #[must_use]
    pub fn turn_age(&self) -> Duration {
        self.0.status.with(|last| last.turn).elapsed()
    }

    /// Whether the claiming task turned within the last minute, or the last two polls where those
    /// are longer: otherwise it hangs.
    #[must_use]
    pub fn turns(&self) -> bool {
        is_recent(self.turn_age(), HANGS_AFTER, self.0.settings.poll)
    }

    /// Whether the database answered within the last 15 s, or the last two looks at it where those
    /// are longer.
    #[must_use]
    pub fn reaches_database(&self) -> bool {
        let answer = self.0.status.with(|last| last.answer);
        answer.is_some_and(|at| is_recent(at.elapsed(), DATABASE_TIMEOUT, self.0.look()))
    }

    /// Time since the last heartbeat that was stored; `None` before the first.
    #[must_use]
    pub fn heartbeat_age(&self) -> Option<Duration> {
        self.0.status.heartbeat_age()
    }

    /// The jobs that run, longest first.
    #[must_use]
    pub fn running(&self) -> Vec<RunningJob> {
        let mut jobs: Vec<RunningJob> = self.0.running.with(|jobs| {
            jobs.values()
                .map(|running| RunningJob {
                    id: running.run.id(),
                    kind: running.run.kind(),
                    priority: running.run.priority(),
                    attempt: running.run.attempt(),
                    running_for: running.since.elapsed(),
                })
                .collect()
        });
        jobs.sort_by_key(|job| std::cmp::Reverse(job.running_for));
        jobs
    }

    /// Writes a line per running job into the log.
    pub fn log_running(&self) {
        let jobs = self.running();
        info!(
            running = jobs.len(),
            slots = self.0.settings.slots,
            "jobs running"
        );
        for job in jobs {
            info!(
                job_id = job.id,
                kind = job.kind,
                priority = job.priority.label(),
                attempt = job.attempt,
                running_s = job.running_for.as_secs_f64(),
                "job running"
            );
        }
    }
}

/// Whether what happens each `every` happened within `limit`, or twice that where it is longer.
fn is_recent(age: Duration, limit: Duration, every: Duration) -> bool {
    age < limit.max(every * 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Attempt;

    fn run(attempt: i16) -> Run {
        Run::new(Attempt {
            id: 7,
            kind: "test.kind",
            queue: "test",
            priority: Priority::Default,
            attempt,
            most: 3,
            public_id: None,
            api_key_id: None,
            trace_ctx: None,
            cancel: CancellationToken::new(),
            progress: Default::default(),
        })
    }

    #[test]
    fn what_happens_rarely_is_not_missed_at_once() {
        let second = Duration::from_secs(1);
        for (age, every, recent) in [(59, 1, true), (60, 1, false), (119, 60, true), (120, 60, false)] {
            assert_eq!(
                is_recent(second * age, HANGS_AFTER, second * every),
                recent,
                "{age} {every}"
            );
        }
    }

    #[test]
    fn the_end_of_a_late_attempt_leaves_the_next_one_running() {
        let jobs = RunningJobs::default();
        for attempt in [1, 2] {
            jobs.insert(Running {
                run: run(attempt),
                since: Instant::now(),
                stop: CancellationToken::new(),
            });
        }

        jobs.remove(&run(1));

        assert_eq!(jobs.ids(), [7]);
    }
}
