//! The worker process: runs background jobs until it is told to stop.
//!
//! `server` answers probes and metrics, `schema` waits for the tables, `spans` traces attempts.

mod health;
mod schema;
mod server;
mod spans;

use std::sync::Arc;
use std::time::Duration;

use database::Database;
use database::pool::Pool;
use job_queue::{Queue, WorkerSettings, WorkerStatus};
use process::failure::{ExitCode, Failure, OrExit};
use prometheus::Registry;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::jobs::{self, Resources};
use crate::live::Live;
use crate::settings::Settings;
use crate::webhooks::EndpointStates;
use health::Health;

/// Runs jobs until `shutdown` is cancelled, then drains.
///
/// # Errors
/// Exit code 2 for settings that cannot be used, 3 when the database or the schema is not there
/// within the wait time-out, 6 when the port cannot be bound, 7 when the schema is newer than this
/// build can work with.
pub(crate) async fn run(settings: Settings, shutdown: CancellationToken) -> Result<ExitCode, Failure> {
    let database =
        Database::direct(&settings.database, "order-food-worker").or_exit(ExitCode::Usage, "settings")?;
    let registry = Registry::new();
    process_metrics(&registry).or_exit(ExitCode::Unexpected, "start")?;
    let pool_wait = Duration::from_millis(settings.pool_wait_ms);
    let pool = Pool::new(&database, settings.jobs.pool_size, pool_wait);
    let queue = Queue::new(settings.jobs.capacities(), &registry).or_exit(ExitCode::Unexpected, "start")?;
    let live = Live::default();
    let resources = Resources {
        settings: settings.clone(),
        pool: pool.clone(),
        live: live.clone(),
        queue: queue.clone(),
        metrics: registry.clone(),
    };
    let kinds = jobs::registry(&resources).or_exit(ExitCode::Usage, "settings")?;
    let worker = job_queue::Worker::new(
        worker_settings(&settings)?,
        kinds,
        database.clone(),
        queue.clone(),
        &registry,
        Arc::new(spans::JobSpans),
    )
    .or_exit(ExitCode::Unexpected, "start")?;

    let endpoints = EndpointStates::new(pool.clone(), &registry).or_exit(ExitCode::Unexpected, "start")?;

    let health = Health::new(worker.status(), shutdown.clone());
    let server = server::start(&settings, health.clone(), &registry)?;
    let handle = server.handle();
    let serving = tokio::spawn(server);
    let outcome = work(
        &settings,
        &database,
        (queue, live, endpoints, pool),
        worker,
        &health,
        shutdown,
    )
    .await;
    handle.stop(outcome.is_ok()).await;
    serving
        .await
        .or_exit(ExitCode::Unexpected, "server")?
        .or_exit(ExitCode::Unexpected, "server")?;
    outcome.map(|()| ExitCode::Done)
}

async fn work(
    settings: &Settings,
    database: &Database,
    (queue, live, endpoints, pool): (Queue, Live, EndpointStates, Pool),
    worker: job_queue::Worker,
    health: &Health,
    shutdown: CancellationToken,
) -> Result<(), Failure> {
    let wait = Duration::from_secs(settings.wait_timeout_s);
    let status = worker.status();
    // From the start: the signal ends a process that has no handler of it.
    let logging = tokio::spawn(log_on_signal(status.clone()));
    tokio::select! {
        outcome = schema::wait(database, wait) => outcome?,
        () = shutdown.cancelled() => return Ok(()),
    }
    health.begin();
    info!(
        worker = %status.id(),
        priorities = status.priorities().join(","),
        enabled = status.enabled(),
        "working"
    );
    let ended = CancellationToken::new();
    let queueing = tokio::spawn(queue.run(pool.clone(), ended.clone()));
    let sending = tokio::spawn(live.send(pool, ended.clone()));
    let counting = tokio::spawn(endpoints.run(ended.clone()));
    worker.run(shutdown).await;
    ended.cancel();
    logging.abort();
    let _ = tokio::join!(queueing, sending, counting);
    info!("stopped");
    Ok(())
}

fn worker_settings(settings: &Settings) -> Result<WorkerSettings, Failure> {
    let jobs = &settings.jobs;
    Ok(WorkerSettings {
        pool: jobs.pool.clone(),
        pod: process::host_name(),
        version: settings.telemetry.version().to_owned(),
        filter: jobs.filter()?,
        slots: jobs.concurrency,
        enabled: jobs.scheduler_enabled,
        poll: Duration::from_millis(jobs.poll_ms),
        heartbeat: Duration::from_millis(jobs.heartbeat_ms),
        drain: Duration::from_secs(settings.shutdown_timeout_s),
        max_attempts: jobs.max_attempts(),
        listen: true,
    })
}

/// `process_resident_memory_bytes` and the like.
fn process_metrics(registry: &Registry) -> prometheus::Result<()> {
    let collector = prometheus::process_collector::ProcessCollector::for_self();
    registry.register(Box::new(collector))
}

/// SIGUSR1 writes what runs into the log.
async fn log_on_signal(status: WorkerStatus) {
    let Ok(mut signals) = signal(SignalKind::user_defined1()) else {
        return;
    };
    while signals.recv().await.is_some() {
        status.log_running();
    }
}
