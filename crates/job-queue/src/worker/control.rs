//! The control task: heartbeat, pauses, progress and cancelling, and the duties of the leader.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use database::Listener;
use database::channels::JOBS_QUEUED;
use database::locks::{JOBS_LEADER, JOBS_SCHEDULES};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::{Backoff, DATABASE_TIMEOUT, SESSION, Shared, is_refused, session};
use crate::metrics::Labels;
use crate::priority::Priority;
use crate::store::{self, Rescued};

/// A handler is asked about progress and cancelling once it has run for so long.
const LONG: Duration = Duration::from_millis(500);
/// Least time between two counts of the queued jobs; they may take 2 % of the time.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// A connection that listens, or one that does not.
enum Line {
    Listening(Listener),
    Silent(Client),
}

/// When the duties are due.
struct Duties {
    heartbeat: Instant,
    rescue: Instant,
    count: Instant,
    leads: bool,
    /// Whether this worker enqueues the periodic jobs.
    schedules: bool,
}

/// Works until `stop` is cancelled, then signs off.
pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let watching = tokio::spawn(watch(shared.clone()));
    let mut backoff = Backoff::new();
    while !stop.is_cancelled() {
        match timeout(DATABASE_TIMEOUT, connect(&shared))
            .await
            .unwrap_or_else(|late| Err(late.into()))
        {
            Ok(line) => {
                backoff = Backoff::new();
                if let Err(error) = converse(&shared, line, &stop).await {
                    debug!(error = format!("{error:#}"), "the control connection ended");
                }
                lead(&shared, false);
            }
            Err(error) => debug!(error = format!("{error:#}"), "no control connection"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = backoff.wait() => {}
        }
    }
    watching.abort();
}

/// Connects. The server ends the session when this process is silent for as long as it takes to be
/// lost: so a frozen leader does not keep its lock.
async fn connect(shared: &Shared) -> anyhow::Result<Line> {
    let line = match shared.settings.listen {
        true => Line::Listening(shared.database.listen(JOBS_QUEUED).await?),
        false => Line::Silent(session(&shared.database).await?),
    };
    let silence = whole_ms(shared.settings.heartbeat * 4);
    let settings = format!("{SESSION}; SET idle_session_timeout = {silence}");
    line.client().batch_execute(&settings).await?;
    Ok(line)
}

impl Line {
    fn client(&self) -> &Client {
        match self {
            Line::Listening(listener) => listener.client(),
            Line::Silent(client) => client,
        }
    }

    /// Waits for a notification; `None` once the connection is lost.
    async fn next(&mut self) -> Option<()> {
        match self {
            Line::Listening(listener) => listener.next().await,
            Line::Silent(_) => std::future::pending().await,
        }
    }
}

/// Does what is due until the connection is lost or `stop` is cancelled.
async fn converse(shared: &Shared, mut line: Line, stop: &CancellationToken) -> anyhow::Result<()> {
    let now = Instant::now();
    let mut duties = Duties {
        heartbeat: now,
        rescue: now,
        count: now,
        leads: false,
        schedules: false,
    };
    let mut ticks = interval(shared.look());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(store::sign_off(line.client(), shared.id).await?),
            notified = line.next() => match notified {
                Some(()) => shared.enqueued.notify_one(),
                None => anyhow::bail!("the connection was lost"),
            },
            _ = ticks.tick() => {
                let client = line.client();
                tokio::select! {
                    done = timeout(DATABASE_TIMEOUT, duties.perform(shared, client)) => done??,
                    () = stop.cancelled() => {}
                }
            }
        }
    }
}

impl Duties {
    async fn perform(&mut self, shared: &Shared, client: &Client) -> anyhow::Result<()> {
        let heartbeat = shared.settings.heartbeat;
        // Each tick comes somewhat late: what is due shortly after it would wait for the next one.
        let now = Instant::now() + shared.look() / 2;
        let is_due = self.heartbeat <= now;
        if is_due {
            store::heartbeat(client, &shared.row()).await?;
            shared.status.beat();
            self.heartbeat = Instant::now() + heartbeat;
        }
        // Pauses are known before the first claim.
        pauses(shared, client).await?;
        if is_due {
            if shared.lost.swap(false, Ordering::Relaxed) {
                shared.freed.notify_one();
            }
            let held = shared.running.ids();
            let orphans = store::release_orphans(client, shared.id, &held, whole_ms(heartbeat * 3)).await?;
            if orphans > 0 {
                info!(
                    orphans,
                    "jobs were claimed without an answer, and are queued again"
                );
            }
            if shared.settings.enabled && !self.schedules {
                self.schedules = store::try_lock(client, JOBS_SCHEDULES).await?;
            }
            if !self.leads && store::try_lock(client, JOBS_LEADER).await? {
                self.leads = true;
                lead(shared, true);
                info!("this worker leads");
            }
        }
        progress(shared, client).await?;
        if self.schedules {
            schedules(shared, client).await?;
        }
        if self.leads {
            self.lead(shared, client, now).await?;
        }
        shared.status.answered();
        Ok(())
    }

    async fn lead(&mut self, shared: &Shared, client: &Client, now: Instant) -> anyhow::Result<()> {
        let heartbeat = shared.settings.heartbeat;
        if self.rescue <= now {
            self.rescue = Instant::now() + heartbeat;
            rescue(shared, client).await?;
        }
        if self.count <= Instant::now() {
            let started = Instant::now();
            let waiting = store::waiting(client).await?;
            let dead = store::dead_letters(client).await?;
            shared.metrics.depths(&waiting, &dead);
            self.count = Instant::now() + COUNT_EVERY.max(started.elapsed() * 50);
        }
        Ok(())
    }
}

/// Keeps what the metrics and probes say of the leader.
fn lead(shared: &Shared, leads: bool) {
    shared.status.leads(leads);
    if !leads {
        shared.metrics.no_depths();
    }
}

async fn pauses(shared: &Shared, client: &Client) -> anyhow::Result<()> {
    let paused = store::paused(client).await?;
    shared.metrics.paused(&paused);
    let before = std::mem::replace(
        &mut *shared
            .paused
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner),
        paused.clone(),
    );
    if before != paused {
        info!(paused = paused.join(" "), "other scopes are paused");
        shared.freed.notify_one();
    }
    Ok(())
}

async fn progress(shared: &Shared, client: &Client) -> anyhow::Result<()> {
    let runs = shared.running.older_than(LONG);
    if runs.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = runs.iter().map(crate::Run::id).collect();
    let attempts: Vec<i16> = runs.iter().map(|run| run.attempt().cast_signed()).collect();
    let progress: Vec<_> = runs.iter().map(crate::Run::take_progress).collect();
    let stored = store::progress(client, shared.id, &ids, &attempts, &progress).await;
    let cancelled = match stored.map_err(anyhow::Error::from) {
        Err(error) if is_refused(&error) => {
            warn!(error = format!("{error:#}"), "progress of jobs was not stored");
            return Ok(());
        }
        stored => stored?,
    };
    for run in runs.iter().filter(|run| cancelled.contains(&run.id())) {
        run.cancelled().cancel();
    }
    Ok(())
}

async fn schedules(shared: &Shared, client: &Client) -> anyhow::Result<()> {
    for schedule in shared.registry.schedules() {
        let job = shared.queue.admit(schedule.job.clone()).unwrap_or_default();
        if store::enter_slot(client, schedule, job.as_ref()).await? {
            debug!(schedule = schedule.name, "a periodic job was enqueued");
            shared.queue.wake();
        }
    }
    Ok(())
}

async fn rescue(shared: &Shared, client: &Client) -> anyhow::Result<()> {
    let heartbeat = shared.settings.heartbeat;
    let attempts: Vec<i16> = Priority::ALL
        .into_iter()
        .map(|priority| shared.most_attempts(None, priority))
        .collect();
    let rescued = store::rescue(
        client,
        store::RESCUE,
        whole_ms(heartbeat * 6),
        whole_ms(heartbeat * 2),
        &attempts,
    )
    .await?;
    for job in &rescued {
        report(shared, job);
    }
    if !rescued.is_empty() {
        shared.queue.wake();
    }
    Ok(())
}

fn report(shared: &Shared, job: &Rescued) {
    shared.metrics.rescued.inc();
    let kind = shared.registry.kinds().find(|kind| kind.name == job.kind);
    let priority = Priority::of(job.priority);
    let queue = kind.map_or("", |kind| kind.queue);
    warn!(
        job_id = job.id,
        kind = job.kind,
        queue,
        priority = priority.map_or("", Priority::label),
        attempt = job.attempt,
        dead = job.reason.as_deref(),
        error = "the worker was lost, or the attempt went beyond its time limit",
        "Job failed"
    );
    if let (Some(kind), Some(priority)) = (kind, priority) {
        let labels = Labels {
            kind: kind.name,
            queue,
            priority,
        };
        shared.metrics.failed.count(labels, 1);
        let then = match job.reason {
            Some(_) => &shared.metrics.dead,
            None => &shared.metrics.retried,
        };
        then.count(labels, 1);
    }
}

/// Stops handlers before others take their jobs over. On a task of its own: the database may be
/// silent, and the process may have been frozen.
async fn watch(shared: Arc<Shared>) {
    let limit = shared.settings.heartbeat * 4;
    loop {
        sleep(shared.settings.heartbeat / 10).await;
        let silent = shared.status.heartbeat_age().is_none_or(|age| age > limit);
        if silent && !shared.lost.swap(true, Ordering::Relaxed) {
            match shared.running.len() {
                0 => warn!("no heartbeat could be stored: no jobs are claimed until one is"),
                running => error!(
                    running,
                    "no heartbeat could be stored: running jobs are stopped, other workers will run them"
                ),
            }
            shared.running.stop_all();
        }
    }
}

fn whole_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
