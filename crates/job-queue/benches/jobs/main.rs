//! `make bench-jobs`: the queue with a million waiting jobs, against pgbench doing the bare
//! statements at the same batch, and one by one.
//!
//! `--only enqueue,idle,throughput,critical,open` chooses; `--open 60` is the length of the
//! transaction in seconds.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark prints, and fails where it cannot measure"
)]

mod floor;
mod loaded;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use database::Database;
use database::pool::Pool;
use job_queue::{
    Job, JobError, Kind, NewJob, Outcome, PlainSpans, Priority, Queue, Registry, Run, Worker, WorkerSettings,
    enqueue_on,
};
use test_support::OwnCluster;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

/// Jobs of one claim and of one completion, on both sides.
const BATCH: usize = 100;
const SLOTS: usize = 400;
/// As `order-food` has them by default.
const CAPACITIES: [u64; 5] = [1_000, 10_000, 10_000, 10_000, 10_000];

/// Does nothing; remembers when it was started if the payload is the time of its enqueueing.
struct Trivial {
    origin: Instant,
    waits_us: Arc<Mutex<Vec<u64>>>,
}

impl Job for Trivial {
    const KIND: Kind = Kind::new("bench.trivial", "bench", Priority::Default);
    type Payload = Option<u64>;

    async fn run(&self, _: &Run, enqueued_us: Option<u64>) -> Result<Outcome, JobError> {
        if let Some(enqueued_us) = enqueued_us {
            let now = micros(self.origin);
            self.waits_us
                .lock()
                .unwrap()
                .push(now.saturating_sub(enqueued_us));
        }
        Ok(Outcome::Done)
    }
}

struct Bench {
    cluster: OwnCluster,
    database: Database,
    client: Client,
    origin: Instant,
    seconds: u64,
    rounds: u64,
    waiting: u64,
}

struct Working {
    waits_us: Arc<Mutex<Vec<u64>>>,
    metrics: prometheus::Registry,
    queue: Queue,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let argument = |name: &str| {
        let mut arguments = std::env::args().skip_while(|argument| argument != name);
        arguments.nth(1)
    };
    let number =
        |name: &str, default: u64| argument(name).map_or(default, |value| value.parse().expect("a number"));
    let cluster = OwnCluster::start_in(
        Path::new("/var/tmp"),
        "max_connections = 100\nmax_wal_size = '2GB'\n",
    );
    let database = Database::new(&cluster.settings(), "bench").unwrap();
    database_migration::up(&database).await.unwrap();
    let bench = Bench {
        client: cluster.client().await,
        database,
        cluster,
        origin: Instant::now(),
        seconds: number("--seconds", 10),
        rounds: number("--rounds", 3),
        waiting: number("--waiting", 1_000_000),
    };
    println!(
        "PostgreSQL {}, {} cores",
        bench.text("SHOW server_version").await,
        std::thread::available_parallelism().map_or(1, usize::from)
    );
    let only = argument("--only");
    let wanted = |piece: &str| {
        only.as_ref()
            .is_none_or(|only| only.split(',').any(|only| only == piece))
    };
    if wanted("enqueue") {
        bench.bulk().await;
    }
    if wanted("idle") {
        bench.idle(true).await;
        bench.idle(false).await;
    }
    if wanted("throughput") {
        bench.throughput().await;
    }
    if wanted("critical") {
        bench.critical().await;
    }
    if wanted("open") {
        bench.open_transaction(number("--open", 60)).await;
    }
}

/// A line of the table: what, and how much.
fn line(what: &str, figures: &str) {
    println!("{what:<60} {figures}");
}

impl Bench {
    fn worker(&self, slots: usize, listen: bool) -> Working {
        let metrics = prometheus::Registry::new();
        let queue = Queue::new(CAPACITIES, &metrics).unwrap();
        let stop = CancellationToken::new();
        if listen {
            let pool = Pool::new(&self.database, 1, Duration::from_secs(5));
            tokio::spawn(queue.clone().run(pool, stop.clone()));
        }
        let waits_us = Arc::<Mutex<Vec<u64>>>::default();
        let kinds = Registry::new().job(Trivial {
            origin: self.origin,
            waits_us: waits_us.clone(),
        });
        let settings = WorkerSettings {
            slots,
            listen,
            ..WorkerSettings::default()
        };
        let worker = Worker::new(
            settings,
            kinds,
            self.database.clone(),
            queue.clone(),
            &metrics,
            Arc::new(PlainSpans),
        )
        .unwrap();
        Working {
            waits_us,
            metrics,
            queue,
            task: tokio::spawn(worker.run(stop.clone())),
            stop,
        }
    }

    /// So many jobs wait, of the priority that `priority` says by `number`.
    async fn fill(&self, priority: &str, waiting: u64) {
        let sql = format!(
            "TRUNCATE job; INSERT INTO job (kind, priority, timeout_ms, payload)
             SELECT 'bench.trivial', {priority}, 60000, 'null' FROM generate_series(1, {waiting}) AS number"
        );
        self.client.batch_execute(&sql).await.unwrap();
        for statement in ["VACUUM ANALYZE job", "CHECKPOINT"] {
            self.client.batch_execute(statement).await.unwrap();
        }
    }

    async fn bulk(&self) {
        let jobs: Vec<NewJob> = (0..100_000)
            .map(|_| NewJob::of::<Trivial>(&None).unwrap())
            .collect();
        let started = Instant::now();
        for chunk in jobs.chunks(10_000) {
            enqueue_on(&self.client, chunk).await.unwrap();
        }
        let rate = 100_000.0 / started.elapsed().as_secs_f64();
        line("enqueue of 100,000", &format!("{rate:.0}/s"));
    }

    /// From enqueueing to start on an idle system.
    async fn idle(&self, listen: bool) {
        self.client.batch_execute("TRUNCATE job").await.unwrap();
        let worker = self.worker(4, listen);
        tokio::time::sleep(Duration::from_secs(2)).await;
        let waits = self
            .latencies(&worker, if listen { 200 } else { 20 }, Priority::Default)
            .await;
        let how = if listen { "with" } else { "without" };
        line(
            &format!("enqueue to start, idle, {how} LISTEN: p50 / p99"),
            &format!(
                "{:.1} ms / {:.1} ms",
                waits[waits.len() / 2],
                waits[waits.len() * 99 / 100]
            ),
        );
        worker.stop().await;
    }

    /// Sorted milliseconds from enqueueing to start. The jobs come from another connection; the
    /// worker learns of them by the notification or by looking.
    async fn latencies(&self, worker: &Working, number: usize, priority: Priority) -> Vec<f64> {
        worker.waits_us.lock().unwrap().clear();
        for _ in 0..number {
            let job = NewJob::of::<Trivial>(&Some(micros(self.origin)))
                .unwrap()
                .priority(priority);
            enqueue_on(&self.client, &[job]).await.unwrap();
            if worker.queue.capacity(priority) > 0 {
                self.client.batch_execute("NOTIFY jobs_queued").await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        while worker.waits_us.lock().unwrap().len() < number {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let mut waits: Vec<f64> = worker
            .waits_us
            .lock()
            .unwrap()
            .iter()
            .map(|us| *us as f64 / 1e3)
            .collect();
        waits.sort_by(f64::total_cmp);
        waits
    }

    /// One value as text.
    async fn text(&self, sql: &str) -> String {
        self.client.query_one(sql, &[]).await.unwrap().get(0)
    }
}

impl Working {
    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    /// Jobs that were completed so far.
    fn completed(&self) -> f64 {
        let counters = self.family("jobs_completed_total");
        let values = counters
            .get_metric()
            .iter()
            .map(|metric| metric.get_counter().get_value());
        values.sum()
    }

    /// Jobs completed per second over so long.
    async fn rate(&self, during: Duration) -> f64 {
        let (before, started) = (self.completed(), Instant::now());
        tokio::time::sleep(during).await;
        (self.completed() - before) / started.elapsed().as_secs_f64()
    }

    /// Milliseconds that so many of 100 claims took at most; within a bucket as Prometheus does.
    fn claim_ms(&self, percent: f64) -> f64 {
        let family = self.family("jobs_claim_seconds");
        let histogram = family.get_metric()[0].get_histogram();
        let wanted = histogram.get_sample_count() as f64 * percent / 100.0;
        let (mut lower, mut below) = (0.0, 0.0);
        for bucket in histogram.get_bucket() {
            let (upper, count) = (bucket.upper_bound(), bucket.cumulative_count() as f64);
            if count >= wanted {
                return (lower + (upper - lower) * (wanted - below) / (count - below)) * 1e3;
            }
            (lower, below) = (upper, count);
        }
        f64::INFINITY
    }

    fn family(&self, name: &str) -> prometheus::proto::MetricFamily {
        let mut families = self.metrics.gather().into_iter();
        families.find(|family| family.name() == name).expect("the metric")
    }
}

fn micros(origin: Instant) -> u64 {
    u64::try_from(origin.elapsed().as_micros()).unwrap_or(u64::MAX)
}
