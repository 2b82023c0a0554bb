//! The enqueuing side of a process: capacities, and the notice to workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use database::channels::JOBS_QUEUED;
use database::pool::Pool;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use prometheus::{IntCounterVec, Opts};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::kind::Overflow;
use crate::new_job::NewJob;
use crate::priority::Priority;
use crate::store;

/// Most queued jobs of each priority, in the order of [`Priority::ALL`]; at least 1.
pub type Capacities = [u64; 5];

/// The enqueuing side of a process. Cheap to clone.
///
/// [`Queue::admit`] applies the overflow policy before an INSERT, [`Queue::wake`] tells workers
/// after its COMMIT, and [`Queue::run`] is the background task of both.
#[derive(Clone)]
pub struct Queue(Arc<Inner>);

struct Inner {
    capacities: Capacities,
    depths: [AtomicU64; 5],
    overflow: IntCounterVec,
    reporting_overflow: IntCounterVec,
    /// For [`Queue::run`]: something was enqueued.
    enqueued: Notify,
    /// For the worker of this process.
    local: Arc<Notify>,
}

/// A job was refused because its priority holds as many queued jobs as its capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("queue_full: {capacity} jobs of priority {priority} are waiting already")]
pub struct QueueFull {
    /// The priority.
    pub priority: Priority,
    /// Its capacity.
    pub capacity: u64,
}

impl QueueFull {
    /// A sensible `Retry-After`.
    pub const RETRY_AFTER: Duration = Duration::from_secs(10);
}

/// Least time between two notifications of a process.
const DEBOUNCE: Duration = Duration::from_millis(50);
/// Time between two samples of the depths.
const SAMPLE: Duration = Duration::from_secs(1);
/// Least time between two warnings of jobs accepted beyond their capacity.
const WARN_EVERY: Duration = Duration::from_secs(60);
const STATEMENT_LIMIT: Duration = Duration::from_secs(2);

impl Queue {
    /// A queue that takes depths for 0 until [`Queue::run`] or [`Queue::sample`] has counted them.
    ///
    /// # Errors
    /// When the registry has other metrics of these names.
    pub fn new(capacities: Capacities, registry: &prometheus::Registry) -> prometheus::Result<Queue> {
        let counter = |name, help| {
            let counter = IntCounterVec::new(Opts::new(name, help), &["priority"])?;
            for priority in Priority::ALL {
                counter.with_label_values(&[priority.label()]);
            }
            registry.register(Box::new(counter.clone()))?;
            prometheus::Result::Ok(counter)
        };
        Ok(Queue(Arc::new(Inner {
            capacities,
            depths: Default::default(),
            overflow: counter(
                "jobs_overflow_total",
                "Jobs that met a full queue, by what then happened or not: accepted, rejected, skipped, demoted.",
            )?,
            reporting_overflow: counter(
                "reporting_job_overflow",
                "The same as jobs_overflow_total, under the name that dashboards of the source know.",
            )?,
            enqueued: Notify::new(),
            local: Arc::new(Notify::new()),
        })))
    }

    /// Applies the overflow policy of a job that is about to be inserted; `None`: leave it out.
    ///
    /// The depth is as old as the last sample, at most about 1 s, so a burst may go beyond the
    /// capacity.
    ///
    /// # Errors
    /// [`QueueFull`] for [`Overflow::Reject`].
    pub fn admit(&self, job: NewJob) -> Result<Option<NewJob>, QueueFull> {
        let full = |priority: Priority| self.depth(priority) >= self.capacity(priority);
        let priority = job.priority;
        if !full(priority) {
            return Ok(Some(job));
        }
        for counter in [&self.0.overflow, &self.0.reporting_overflow] {
            counter.with_label_values(&[priority.label()]).inc();
        }
        match job.overflow {
            Overflow::Accept => Ok(Some(job)),
            Overflow::Skip => Ok(None),
            Overflow::Reject => Err(QueueFull {
                priority,
                capacity: self.capacity(priority),
            }),
            Overflow::Demote => {
                let mut lower = priority.lower();
                while lower != Priority::Bulk && full(lower) {
                    lower = lower.lower();
                }
                Ok(Some(job.priority(lower)))
            }
        }
    }

    /// Tells workers, within 50 ms, that something was enqueued; call it after COMMIT.
    pub fn wake(&self) {
        self.0.enqueued.notify_one();
        self.0.local.notify_one();
    }

    /// [`Queue::depth`] of every priority, in the order of [`Priority::ALL`].
    #[must_use]
    pub fn depths(&self) -> [u64; 5] {
        Priority::ALL.map(|priority| self.depth(priority))
    }

    /// Queued jobs of a priority when they were last counted, at most the capacity.
    #[must_use]
    pub fn depth(&self, priority: Priority) -> u64 {
        of(&self.0.depths, priority).map_or(0, |depth| depth.load(Ordering::Relaxed))
    }

    /// Jobs of this process that met the priority full.
    #[must_use]
    pub fn overflowed(&self, priority: Priority) -> u64 {
        self.0.overflow.with_label_values(&[priority.label()]).get()
    }

    /// The most queued jobs of a priority.
    #[must_use]
    pub fn capacity(&self, priority: Priority) -> u64 {
        of(&self.0.capacities, priority).copied().unwrap_or(u64::MAX)
    }

    /// Counts the queued jobs once.
    ///
    /// # Errors
    /// When the database does not answer within 2 s.
    pub async fn sample(&self, pool: &Pool) -> anyhow::Result<()> {
        let mut connection = pool.get().await?;
        // A pooler that pools transactions may send a statement outside of one to two sessions.
        let sample = async {
            connection
                .batch_execute(&format!("BEGIN READ ONLY; {}", store::BY_INDEX))
                .await?;
            self.sample_on(&mut connection).await?;
            connection.batch_execute("COMMIT").await?;
            anyhow::Ok(())
        };
        timeout(STATEMENT_LIMIT, sample).await??;
        connection.release();
        Ok(())
    }

    /// The same over a connection of the caller.
    ///
    /// # Errors
    /// When the database does not answer within 2 s.
    pub async fn sample_on(&self, connection: &mut AsyncPgConnection) -> anyhow::Result<()> {
        let depths = store::depths(connection, self.0.capacities);
        let depths = timeout(STATEMENT_LIMIT, depths).await??;
        for (stored, depth) in self.0.depths.iter().zip(depths) {
            stored.store(depth, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Samples the depths each second and sends the notifications, until `stop` is cancelled.
    /// Without it, workers find new jobs by looking each second.
    pub async fn run(self, pool: Pool, stop: CancellationToken) {
        // Whatever it waits for: a database that hangs must not hold up the end.
        stop.run_until_cancelled(self.work(&pool)).await;
    }

    async fn work(&self, pool: &Pool) {
        let mut sampling = tokio::time::interval(SAMPLE);
        sampling.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut warned: Option<Instant> = None;
        loop {
            tokio::select! {
                () = self.0.enqueued.notified() => {
                    if let Err(error) = notify(pool).await {
                        debug!(error = %error, "workers were not notified");
                    }
                    tokio::time::sleep(DEBOUNCE).await;
                }
                _ = sampling.tick() => {
                    if let Err(error) = self.sample(pool).await {
                        debug!(error = %error, "queued jobs were not counted");
                    }
                    let full = Priority::ALL
                        .into_iter()
                        .find(|priority| self.depth(*priority) >= self.capacity(*priority));
                    if let Some(priority) = full
                        && warned.is_none_or(|at| at.elapsed() >= WARN_EVERY)
                    {
                        warned = Some(Instant::now());
                        warn!(
                            priority = priority.label(),
                            capacity = self.capacity(priority),
                            "the job queue is full"
                        );
                    }
                }
            }
        }
    }

    /// Notified when this process enqueued something.
    pub(crate) fn local(&self) -> Arc<Notify> {
        self.0.local.clone()
    }
}

fn of<T>(values: &[T; 5], priority: Priority) -> Option<&T> {
    values.get(priority as usize)
}

async fn notify(pool: &Pool) -> anyhow::Result<()> {
    let mut connection = pool.get().await?;
    let statement = format!("NOTIFY {JOBS_QUEUED}");
    timeout(STATEMENT_LIMIT, connection.batch_execute(&statement)).await??;
    connection.release();
    Ok(())
}
