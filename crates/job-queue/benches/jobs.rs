//! `make bench-jobs`: the queue with a million waiting jobs, against pgbench doing the bare
//! statements at the same batch, and one by one.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark prints, and fails where it cannot measure"
)]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
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
const BATCH: usize = 200;
const SLOTS: usize = 400;

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
    waiting: i64,
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
    let number = |name: &str, default: i64| {
        let mut arguments = std::env::args().skip_while(|argument| argument != name);
        arguments
            .nth(1)
            .map_or(default, |value| value.parse().expect("a number"))
    };
    let cluster = OwnCluster::start();
    let database = Database::new(&cluster.settings(), "bench").unwrap();
    database_migration::up(&database).await.unwrap();
    let bench = Bench {
        client: cluster.client().await,
        database,
        cluster,
        origin: Instant::now(),
        seconds: number("--seconds", 10).unsigned_abs(),
        waiting: number("--waiting", 1_000_000),
    };
    let version = bench.client.query_one("SHOW server_version", &[]).await.unwrap();
    println!("PostgreSQL {}, {} cores", version.get::<_, String>(0), cores());

    bench.bulk().await;
    bench.idle(true).await;
    bench.idle(false).await;
    bench.fill("number % 5").await;
    let floor = bench.floor(BATCH, 2);
    println!(
        "{:<52} {floor:>10.0}/s",
        format!("pgbench, the bare statements, batches of {BATCH}")
    );
    let single = bench.floor(1, 2);
    println!("{:<52} {single:>10.0}/s", "pgbench, one by one");
    bench.fill("number % 5").await;
    let worker = bench.worker(SLOTS, true);
    let rate = bench.rate(&worker).await;
    println!(
        "{:<52} {rate:>10.0}/s  {:.2} of the floor",
        "worker, five priorities",
        rate / floor
    );
    println!(
        "{:<52} {:>10.1} ms",
        "claim p99",
        quantile_of(&worker.metrics, "jobs_claim_seconds", 0.99) * 1e3
    );
    let held = bench.cluster.client().await;
    held.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM job_dead")
        .await
        .unwrap();
    bench.fill("number % 5").await;
    let slowed = bench.rate(&worker).await;
    println!(
        "{:<52} {slowed:>10.0}/s  {:.2} of it",
        "the same beside an open transaction",
        slowed / rate
    );
    drop(held);
    worker.stop().await;

    bench.fill("4").await;
    let worker = bench.worker(SLOTS, true);
    let waits = bench.latencies(&worker, 200, Priority::Critical).await;
    println!(
        "{:<52} {:>10.1} ms",
        "CRITICAL wait p95 while a million BULK wait",
        waits[waits.len() * 95 / 100]
    );
    worker.stop().await;
}

impl Bench {
    fn worker(&self, slots: usize, listen: bool) -> Working {
        let metrics = prometheus::Registry::new();
        let queue = Queue::new([u64::MAX >> 1; 5], &metrics).unwrap();
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
    async fn fill(&self, priority: &str) {
        let sql = format!(
            "TRUNCATE job; INSERT INTO job (kind, priority, timeout_ms, payload)
             SELECT 'bench.trivial', {priority}, 60000, 'null' FROM generate_series(1, {}) AS number",
            self.waiting
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
        println!("{:<52} {rate:>10.0}/s", "enqueue of 100,000");
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
        println!(
            "{:<52} {:>10.1} ms / {:.1} ms",
            format!("enqueue to start, idle, {how} LISTEN: p50 / p99"),
            waits[waits.len() / 2],
            waits[waits.len() * 99 / 100]
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

    /// Jobs completed per second, over the seconds of a measurement, after one of warming up.
    async fn rate(&self, worker: &Working) -> f64 {
        let completed = || total(&worker.metrics, "jobs_completed_total");
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (before, started) = (completed(), Instant::now());
        tokio::time::sleep(Duration::from_secs(self.seconds)).await;
        (completed() - before) / started.elapsed().as_secs_f64()
    }

    /// pgbench claims and completes `batch` jobs at a time over `clients` connections.
    fn floor(&self, batch: usize, clients: usize) -> f64 {
        let mut script = tempfile_in(self.cluster.home());
        let each = batch.div_ceil(5);
        writeln!(
            script.1,
            "WITH wanted AS (SELECT * FROM unnest('{{0,1,2,3,4}}'::smallint[]) AS wanted (priority)),
             c AS MATERIALIZED (SELECT due.id FROM wanted CROSS JOIN LATERAL (
                 SELECT id FROM job WHERE state = 0 AND job.priority = wanted.priority AND kind = 'bench.trivial'
                     AND run_at <= now() ORDER BY run_at, id LIMIT {each} FOR UPDATE SKIP LOCKED) AS due LIMIT {batch})
             UPDATE job SET state = 1, locked_by = ('00000000-0000-0000-0000-00000000000' || :client_id)::uuid,
                 locked_at = now(), attempt = attempt + 1
             WHERE id = ANY (ARRAY(SELECT id FROM c)) AND state = 0;
             DELETE FROM job WHERE state = 1
                 AND locked_by = ('00000000-0000-0000-0000-00000000000' || :client_id)::uuid;"
        )
        .unwrap();
        let output = Command::new(programs().join("pgbench"))
            .args(["--no-vacuum", "--protocol=prepared", "--file"])
            .arg(&script.0)
            .args([
                "--client",
                &clients.to_string(),
                "--time",
                &self.seconds.to_string(),
            ])
            .arg(self.cluster.url())
            .env(
                "PGOPTIONS",
                "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c jit=off",
            )
            .output()
            .expect("run pgbench");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let tps = text.lines().find_map(|line| {
            line.strip_prefix("tps = ")?
                .split(' ')
                .next()?
                .parse::<f64>()
                .ok()
        });
        tps.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr))) * batch as f64
    }
}

impl Working {
    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

fn total(metrics: &prometheus::Registry, name: &str) -> f64 {
    let families = metrics.gather();
    let family = families.iter().find(|family| family.name() == name);
    family.map_or(0.0, |family| {
        family
            .get_metric()
            .iter()
            .map(|metric| metric.get_counter().get_value())
            .sum()
    })
}

/// The upper bound of the bucket in which the quantile lies, in seconds.
fn quantile_of(metrics: &prometheus::Registry, name: &str, quantile: f64) -> f64 {
    let families = metrics.gather();
    let family = families
        .iter()
        .find(|family| family.name() == name)
        .expect("the histogram");
    let histogram = family.get_metric()[0].get_histogram();
    let wanted = histogram.get_sample_count() as f64 * quantile;
    let bucket = histogram
        .get_bucket()
        .iter()
        .find(|bucket| bucket.cumulative_count() as f64 >= wanted);
    bucket.map_or(f64::INFINITY, |bucket| bucket.upper_bound())
}

fn micros(origin: Instant) -> u64 {
    u64::try_from(origin.elapsed().as_micros()).unwrap_or(u64::MAX)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn tempfile_in(folder: &std::path::Path) -> (PathBuf, std::fs::File) {
    let path = folder.join("floor.sql");
    let file = std::fs::File::create(&path).expect("write the script");
    (path, file)
}

/// The folder of PostgreSQL's programs, as `scripts/postgres/binaries.sh` finds it.
fn programs() -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/postgres/binaries.sh");
    let output = Command::new(script).output().expect("run binaries.sh");
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
