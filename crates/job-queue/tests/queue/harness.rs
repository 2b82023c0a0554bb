//! A database with workers whose handler does what the payload says.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use database::pool::Pool;
use job_queue::{
    Job, JobError, Kind, NewJob, Outcome, PlainSpans, Priority, Queue, Registry, Run, Worker, WorkerSettings,
    WorkerStatus,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use test_support::{TestDatabase, eventually};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What a handler does.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Act {
    Nothing,
    Sleep(u64),
    Fail,
    Refuse,
    Panic,
    Snooze,
    Result(String),
    /// Returns a result that jsonb cannot hold.
    Nul,
    /// Fails with a text that text cannot hold, to be tried again in a time that cannot be added.
    FailNul,
    /// Says how far it is, and waits to be cancelled.
    Wait,
    /// Fails until this attempt.
    FailUntil(u16),
}

/// What was done, in order: id, attempt.
pub(crate) type Done = Arc<Mutex<Vec<(i64, u16)>>>;

/// The scripted kind.
pub(crate) struct Scripted(pub(crate) Done);

/// Another kind, which does nothing.
pub(crate) struct Other(pub(crate) Done);

impl Job for Scripted {
    const KIND: Kind = Kind::new("test.scripted", "test", Priority::Default)
        .timeout(Duration::from_secs(30))
        .delays(&[Duration::ZERO]);
    type Payload = Act;

    async fn run(&self, run: &Run, act: Act) -> Result<Outcome, JobError> {
        match act {
            Act::Nothing => {}
            Act::Sleep(milliseconds) => tokio::time::sleep(Duration::from_millis(milliseconds)).await,
            Act::Fail => return Err(anyhow::anyhow!("it failed").context("scripted").into()),
            Act::FailUntil(attempt) if run.attempt() < attempt => {
                return Err(anyhow::anyhow!("not yet").into());
            }
            Act::FailUntil(_) => {}
            Act::Refuse => return Err(JobError::permanent(anyhow::anyhow!("never"))),
            Act::Panic => panic!("scripted panic"),
            Act::Snooze => return Ok(Outcome::Snooze(Duration::from_secs(3600))),
            Act::Result(text) => {
                self.0.lock().unwrap().push((run.id(), run.attempt()));
                return Ok(Outcome::DoneWith(json!({ "text": text })));
            }
            Act::Nul => {
                run.progress(json!("\0"));
                return Ok(Outcome::DoneWith(json!("\0")));
            }
            Act::FailNul => return Err(JobError::retry_after(Duration::MAX, anyhow::anyhow!("a\0b"))),
            Act::Wait => {
                run.progress(json!({ "rows": 7 }));
                run.cancelled().cancelled().await;
                return Err(JobError::Cancelled);
            }
        }
        self.0.lock().unwrap().push((run.id(), run.attempt()));
        Ok(Outcome::Done)
    }
}

impl Job for Other {
    const KIND: Kind = Kind::new("test.other", "test", Priority::Default);
    type Payload = ();

    async fn run(&self, run: &Run, (): ()) -> Result<Outcome, JobError> {
        self.0.lock().unwrap().push((run.id(), run.attempt()));
        Ok(Outcome::Done)
    }
}

/// A database for jobs.
pub(crate) struct Place {
    pub(crate) database: TestDatabase,
    pub(crate) pool: Pool,
    pub(crate) done: Done,
}

/// A worker that runs in this process.
pub(crate) struct Working {
    pub(crate) status: WorkerStatus,
    pub(crate) metrics: prometheus::Registry,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Quick in all that tests wait for.
pub(crate) fn settings() -> WorkerSettings {
    WorkerSettings {
        pool: "test".to_owned(),
        pod: "test-pod".to_owned(),
        version: "0".to_owned(),
        poll: Duration::from_millis(100),
        heartbeat: Duration::from_millis(300),
        drain: Duration::from_secs(5),
        ..WorkerSettings::default()
    }
}

pub(crate) fn job(act: Act) -> NewJob {
    NewJob::of::<Scripted>(&act).unwrap()
}

impl Place {
    pub(crate) async fn new() -> Place {
        let database = TestDatabase::migrated().await;
        Place {
            pool: Pool::new(&database.database(), 4, Duration::from_secs(10)),
            database,
            done: Done::default(),
        }
    }

    pub(crate) fn registry(&self) -> Registry {
        Registry::new()
            .job(Scripted(self.done.clone()))
            .job(Other(self.done.clone()))
    }

    pub(crate) fn worker(&self, settings: WorkerSettings) -> Working {
        self.worker_of(settings, self.registry(), [1_000_000; 5])
    }

    pub(crate) fn worker_of(
        &self,
        settings: WorkerSettings,
        registry: Registry,
        capacities: [u64; 5],
    ) -> Working {
        let metrics = prometheus::Registry::new();
        let queue = Queue::new(capacities, &metrics).unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(queue.clone().run(self.pool.clone(), stop.clone()));
        let database = self.database.database();
        let worker = Worker::new(
            settings,
            registry,
            database,
            queue,
            &metrics,
            Arc::new(PlainSpans),
        )
        .unwrap();
        Working {
            status: worker.status(),
            metrics,
            stop: stop.clone(),
            task: tokio::spawn(worker.run(stop)),
        }
    }

    /// Inserts jobs in a transaction of their own, without a notification.
    pub(crate) async fn enqueue(&self, jobs: &[NewJob]) -> Vec<i64> {
        let mut connection = self.pool.get().await.unwrap();
        let ids = job_queue::enqueue(&mut connection, jobs).await.unwrap();
        connection.release();
        ids
    }

    pub(crate) async fn count(&self, sql: &str) -> i64 {
        self.database
            .value(&format!("SELECT count(*) FROM {sql}"))
            .await
            .parse()
            .unwrap()
    }

    pub(crate) async fn until(&self, what: &str, sql: &str, expected: i64) {
        eventually(what, async || self.count(sql).await == expected).await;
    }

    pub(crate) fn done(&self) -> Vec<(i64, u16)> {
        self.done.lock().unwrap().clone()
    }
}

impl Working {
    /// Drains it.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    /// Ends its claiming and control tasks without a word, as a crash does.
    pub(crate) fn abort(&self) {
        self.task.abort();
    }

    /// The sum of a metric over all its series.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let families = self.metrics.gather();
        let family = families.iter().find(|family| family.name() == name);
        family.map_or(0.0, |family| {
            family
                .get_metric()
                .iter()
                .map(|metric| metric.get_counter().get_value() + metric.get_gauge().get_value())
                .sum()
        })
    }
}
