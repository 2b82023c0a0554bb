//! One attempt: the handler with its limits.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::finish::{End, Ended};
use super::status::Running;
use super::{Shared, seconds};
use crate::job::Outcome;
use crate::job_error::JobError;
use crate::kind::Kind;
use crate::priority::Priority;
use crate::registry::Handler;
use crate::run::{Attempt, Run};
use crate::store::ClaimedJob;

/// How long a handler may clean up after it was cancelled.
const CANCEL_GRACE: Duration = Duration::from_secs(5);

/// Why a handler has no outcome of its own.
enum Stopped {
    TimeLimit,
    Panic(String),
    /// By the worker: the attempt does not count.
    Worker,
    Cancelled,
}

/// The handler of a claimed job, and its attempt.
fn prepare(shared: &Shared, claimed: &ClaimedJob) -> Option<(Arc<dyn Handler>, Run)> {
    let handler = shared.registry.handler(&claimed.kind)?.clone();
    let priority = Priority::of(claimed.priority)?;
    let kind = handler.kind();
    let run = Run::new(Attempt {
        id: claimed.id,
        kind: kind.name,
        queue: kind.queue,
        priority,
        attempt: claimed.attempt,
        most: shared.most_attempts(claimed.max_attempts, priority),
        public_id: claimed.public_id,
        api_key_id: claimed.api_key_id,
        trace_ctx: claimed.trace_ctx.clone(),
        cancel: CancellationToken::new(),
        progress: Default::default(),
    });
    Some((handler, run))
}

/// Queues a claimed job again; the attempt does not count.
pub(super) async fn give_back(shared: &Shared, claimed: ClaimedJob, ends: &mpsc::Sender<Ended>) {
    if let Some((_, run)) = prepare(shared, &claimed) {
        let end = End::Released(Duration::ZERO);
        // Fails only when the worker has ended already.
        let _ = ends.send(Ended { run, end }).await;
    }
}

/// Starts an attempt on a task of its own.
pub(super) fn start(shared: &Arc<Shared>, claimed: ClaimedJob, ends: &mpsc::Sender<Ended>) {
    // Free: the claim asks for no second job of this sort.
    let last_chance = claimed
        .is_last_chance()
        .then(|| shared.last_chance.clone().try_acquire_owned());
    let Some((handler, run)) = prepare(shared, &claimed) else {
        return;
    };
    let priority = run.priority();
    let stop = CancellationToken::new();
    shared.running.insert(Running {
        run: run.clone(),
        since: Instant::now(),
        stop: stop.clone(),
    });
    shared.busy.take(priority);
    shared.metrics.running.inc();
    shared.metrics.waited(priority, claimed.waited_s);
    let limit = Duration::from_millis(claimed.timeout_ms.unsigned_abs().into());
    let task = {
        let (shared, ends) = (shared.clone(), ends.clone());
        async move {
            let end = execute(&shared, &*handler, &run, &claimed.payload, limit, &stop).await;
            let ended = Ended {
                run: run.clone(),
                end,
            };
            // Fails only when the worker has ended already.
            let _ = ends.send(ended).await;
            drop(last_chance);
            shared.busy.free(priority);
            shared.metrics.running.dec();
            shared.freed.notify_one();
        }
    };
    shared.attempts.spawn(task);
}

async fn execute(
    shared: &Shared,
    handler: &dyn Handler,
    run: &Run,
    payload: &str,
    limit: Duration,
    stop: &CancellationToken,
) -> End {
    let labels = run.labels();
    shared.metrics.started.count(labels, 1);
    let span = shared.observer.span(run);
    let started = Instant::now();
    let handled = async {
        match serde_json::from_str::<&RawValue>(payload) {
            Ok(payload) => handler.run(run, payload).await,
            Err(problem) => Err(JobError::permanent(problem)),
        }
    };
    let handled = AssertUnwindSafe(handled).catch_unwind().instrument(span.clone());
    let outcome = tokio::select! {
        biased;
        outcome = handled => outcome.map_err(|panic| Stopped::Panic(message(&*panic))),
        () = stop.cancelled() => Err(Stopped::Worker),
        () = sleep(limit) => Err(Stopped::TimeLimit),
        () = async {
            run.cancelled().cancelled().await;
            sleep(CANCEL_GRACE).await;
        } => Err(Stopped::Cancelled),
    };
    shared.metrics.ran(labels, seconds(started));
    let error = match outcome {
        Ok(Ok(Outcome::Done)) => return End::Done(None),
        Ok(Ok(Outcome::DoneWith(result))) => return End::Done(Some(result)),
        Ok(Ok(Outcome::Snooze(delay))) => return End::Released(delay),
        Err(Stopped::Worker) => return End::Released(Duration::ZERO),
        Ok(Err(error)) => error,
        Err(Stopped::Cancelled) => JobError::Cancelled,
        Err(Stopped::TimeLimit) => anyhow::anyhow!("no end within {} ms", limit.as_millis()).into(),
        Err(Stopped::Panic(message)) => anyhow::anyhow!("panic: {message}").into(),
    };
    let end = failed(&handler.kind(), run, &error);
    report(shared, run, &span, &error, &end);
    shared.metrics.failed.count(labels, 1);
    end
}

/// The error as it is stored, with its causes; a text of PostgreSQL holds no NUL.
fn text(error: &anyhow::Error) -> String {
    format!("{error:#}").replace('\0', "\u{fffd}")
}

/// What becomes of a failed attempt.
fn failed(kind: &Kind, run: &Run, error: &JobError) -> End {
    let (reason, error, after) = match error {
        JobError::Permanent(error) => (Some("permanent"), text(error), None),
        JobError::Cancelled => (Some("cancelled"), "cancelled".to_owned(), None),
        JobError::Retry { after, error } if run.attempt() < run.max_attempts() => (None, text(error), *after),
        JobError::Retry { error, .. } => (Some("exhausted"), text(error), None),
    };
    let delay = after.unwrap_or_else(|| kind.delay(run.attempt(), jitter(run.id(), run.attempt())));
    End::Failed { reason, error, delay }
}

fn report(shared: &Shared, run: &Run, span: &tracing::Span, error: &JobError, end: &End) {
    let text;
    let error = match error {
        JobError::Permanent(error) | JobError::Retry { error, .. } => error,
        JobError::Cancelled => {
            text = anyhow::anyhow!("cancelled");
            &text
        }
    };
    shared.observer.failed(span, error);
    let (dead, retry_s) = match end {
        End::Failed {
            reason: Some(reason), ..
        } => (Some(*reason), None),
        End::Failed { delay, .. } => (None, Some(delay.as_secs_f64())),
        End::Done(_) | End::Released(_) => (None, None),
    };
    span.in_scope(|| run.log_failure(dead, retry_s, &format!("{error:#}")));
}

/// −1 to 1, from the job and the attempt alone.
fn jitter(id: i64, attempt: u16) -> f64 {
    let mixed = (id.unsigned_abs() ^ (u64::from(attempt) << 48)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned())
}
