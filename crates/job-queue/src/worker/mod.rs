//! A worker: claims jobs, runs their handlers, stores how they ended.
//!
//! `claim` finds work for free slots · `attempt` runs one handler · `finish` stores the ends in
//! batches · `control` is heartbeat, pauses, cancelling and the leader's duties · `quota` shares a
//! claim among priorities · `status` is what probes and operators see.

mod attempt;
mod claim;
mod control;
mod finish;
mod quota;
mod status;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use database::Database;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Span, info, info_span};
use uuid::Uuid;

use crate::metrics::{Metrics, worker_info};
use crate::priority::PriorityFilter;
use crate::queue::Queue;
use crate::registry::Registry;
use crate::run::Run;
use crate::store::WorkerRow;

pub use status::{RunningJob, WorkerStatus};

/// What a worker is told.
#[derive(Clone, Debug)]
pub struct WorkerSettings {
    /// Name of the deployment, a label.
    pub pool: String,
    /// Name of the host.
    pub pod: String,
    /// Version of the program.
    pub version: String,
    /// Priorities that are claimed.
    pub filter: PriorityFilter,
    /// Jobs that run at the same time; at least 1. From 2 on, one is kept for CRITICAL and HIGH if
    /// the filter has one of them.
    pub slots: usize,
    /// False: nothing is claimed and nothing periodic is enqueued; the leader's duties go on.
    pub enabled: bool,
    /// Time between two looks for due jobs when no notice comes; default 1 s.
    pub poll: Duration,
    /// Time between two heartbeats; default 5 s, the same for all workers of a database. After 4 of
    /// them without success a worker stops its handlers; after 6 its jobs are taken over.
    pub heartbeat: Duration,
    /// How long running jobs may go on after the stop; default 25 s.
    pub drain: Duration,
    /// Attempts of each priority, in the order of [`Priority::ALL`](crate::Priority::ALL).
    pub max_attempts: [u16; 5],
    /// Whether the worker waits for notifications; default true.
    pub listen: bool,
}

/// The default of each setting; the names are empty.
impl Default for WorkerSettings {
    fn default() -> Self {
        WorkerSettings {
            pool: String::new(),
            pod: String::new(),
            version: String::new(),
            filter: PriorityFilter::default(),
            slots: 4,
            enabled: true,
            poll: Duration::from_secs(1),
            heartbeat: Duration::from_secs(5),
            drain: Duration::from_secs(25),
            max_attempts: [5, 5, 3, 3, 3],
            listen: true,
        }
    }
}

/// Makes the span of an attempt, and marks it failed.
pub trait Observer: Send + Sync + 'static {
    /// The span within which the handler runs.
    fn span(&self, run: &Run) -> Span {
        info_span!(
            "job.execute",
            job.id = run.id(),
            job.kind = run.kind(),
            job.queue = run.queue(),
            job.priority = run.priority().label(),
            job.attempt = run.attempt()
        )
    }

    /// The attempt ended with this error.
    fn failed(&self, _span: &Span, _error: &anyhow::Error) {}
}

/// The spans of [`Observer`]'s defaults.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainSpans;

impl Observer for PlainSpans {}

/// A worker that is ready to run.
pub struct Worker(Arc<Shared>);

/// What the tasks of a worker share.
struct Shared {
    id: Uuid,
    settings: WorkerSettings,
    registry: Registry,
    database: Database,
    queue: Queue,
    metrics: Metrics,
    observer: Arc<dyn Observer>,
    running: status::RunningJobs,
    busy: status::Busy,
    status: status::Turns,
    paused: std::sync::Mutex<Vec<String>>,
    /// No heartbeat yet, or none for too long: nothing is claimed.
    lost: AtomicBool,
    /// A slot became free, or the control task changed what may be claimed.
    freed: Notify,
    /// Notified when something was enqueued here or elsewhere.
    enqueued: Arc<Notify>,
    /// Held by the one job that would be poison the next time its worker is lost.
    last_chance: Arc<Semaphore>,
    /// Running attempts are awaited at the end.
    attempts: TaskTracker,
}

/// Time for the last ends of attempts to be stored after a drain.
const FLUSH: Duration = Duration::from_secs(5);

impl Worker {
    /// A worker of these kinds; connects to nothing yet.
    ///
    /// # Errors
    /// When the metrics are registered already.
    pub fn new(
        settings: WorkerSettings,
        registry: Registry,
        database: Database,
        queue: Queue,
        metrics: &prometheus::Registry,
        observer: Arc<dyn Observer>,
    ) -> prometheus::Result<Worker> {
        let kinds: Vec<_> = registry.kinds().collect();
        let filter = settings.filter.to_string();
        worker_info(
            metrics,
            &settings.pool,
            &filter,
            &settings.version,
            settings.enabled,
        )?;
        Ok(Worker(Arc::new(Shared {
            id: Uuid::now_v7(),
            metrics: Metrics::new(metrics, &kinds)?,
            registry,
            database,
            enqueued: queue.local(),
            queue,
            observer,
            running: status::RunningJobs::default(),
            status: status::Turns::default(),
            paused: std::sync::Mutex::default(),
            busy: status::Busy::default(),
            lost: AtomicBool::new(true),
            freed: Notify::new(),
            last_chance: Arc::new(Semaphore::new(1)),
            attempts: TaskTracker::new(),
            settings,
        })))
    }

    /// What probes and operators see of it. Cheap to clone.
    #[must_use]
    pub fn status(&self) -> WorkerStatus {
        WorkerStatus::new(self.0.clone())
    }

    /// Works until `stop` is cancelled: then claims nothing more, lets running jobs go on for the
    /// drain time, gives back those that are not done without counting the attempt, and signs off.
    ///
    /// The database may be away at any time; what was claimed is not lost.
    pub async fn run(self, stop: CancellationToken) {
        let shared = self.0;
        let (ends, ended) = mpsc::channel(finish::WAITING);
        let finishing = tokio::spawn(finish::run(shared.clone(), ended));
        let controlling = CancellationToken::new();
        let control = tokio::spawn(control::run(shared.clone(), controlling.clone()));

        claim::run(&shared, &ends, &stop).await;

        info!(running = shared.running.len(), "no more jobs are claimed");
        shared.attempts.close();
        if timeout(shared.settings.drain, shared.attempts.wait())
            .await
            .is_err()
        {
            info!(running = shared.running.len(), "running jobs are given back");
            shared.running.stop_all();
            // A handler that blocks its thread cannot be stopped; its job is rescued.
            let _ = timeout(FLUSH, shared.attempts.wait()).await;
        }
        drop(ends);
        let _ = timeout(FLUSH, finishing).await;
        controlling.cancel();
        let _ = timeout(FLUSH, control).await;
    }
}

impl Shared {
    fn row(&self) -> WorkerRow {
        WorkerRow {
            id: self.id,
            pool: self.settings.pool.clone(),
            pod: self.settings.pod.clone(),
            version: self.settings.version.clone(),
            filter: self.settings.filter.to_string(),
            slots: i32::try_from(self.settings.slots).unwrap_or(i32::MAX),
        }
    }

    /// Time between two looks at the controls in the database.
    fn look(&self) -> Duration {
        self.settings.poll.min(self.settings.heartbeat)
    }

    fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Scopes that are paused.
    fn paused_scopes(&self) -> Vec<String> {
        self.paused
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    /// Attempts of a job in all.
    fn most_attempts(&self, own: Option<i16>, priority: crate::Priority) -> i16 {
        own.unwrap_or_else(|| {
            let of_priority = self.settings.max_attempts.get(priority as usize);
            i16::try_from(of_priority.copied().unwrap_or(1)).unwrap_or(i16::MAX)
        })
    }
}

/// Session settings: plans are made once and never from what the table holds at that moment.
pub(crate) const SESSION: &str = "
    SET statement_timeout = '10s'; SET lock_timeout = '2s'; SET idle_in_transaction_session_timeout = '10s';
    SET idle_session_timeout = 0; SET default_transaction_isolation = 'read committed';
    SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET jit = off; SET TIME ZONE 'UTC'";

/// A connection whose server is silent for so long is given up; above the statement time-out.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(15);

/// A connection with the session settings.
async fn session(database: &Database) -> anyhow::Result<tokio_postgres::Client> {
    let client = database.connect().await?;
    client.batch_execute(SESSION).await?;
    Ok(client)
}

/// Whether the database refuses what a statement holds: the same again is refused again. Class 22
/// is wrong data (a NUL in a text), class 54 too much of them.
fn is_refused(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<tokio_postgres::Error>();
    let code = error.and_then(|error| error.code());
    code.is_some_and(|code| code.code().starts_with("22") || code.code().starts_with("54"))
}

/// Waits before the next attempt to connect: 100 ms, then twice as long each time, at most 2 s.
struct Backoff(Duration);

impl Backoff {
    fn new() -> Backoff {
        Backoff(Duration::from_millis(100))
    }

    async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(Duration::from_secs(2));
    }
}

/// Seconds since `start`.
fn seconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64()
}
