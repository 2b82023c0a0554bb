//! The ends of attempts, stored in batches: what ended during one statement makes up the next.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::{Backoff, DATABASE_TIMEOUT, Shared, is_refused, session};
use crate::new_job::milliseconds;
use crate::run::Run;
use crate::store::{FailedAttempts, Finisher};

/// Most ends that wait to be stored; handlers wait beyond.
pub(super) const WAITING: usize = 4096;
/// Most ends of one batch.
const BATCH: usize = 100;

/// An attempt that ended.
pub(super) struct Ended {
    pub(super) run: Run,
    pub(super) end: End,
}

/// How an attempt ended.
pub(super) enum End {
    /// Done, perhaps with a result.
    Done(Option<Value>),
    /// Dead if there is a reason; otherwise queued again after the delay.
    Failed {
        reason: Option<&'static str>,
        error: String,
        delay: Duration,
    },
    /// Queued again after the delay; the attempt does not count.
    Released(Duration),
}

/// Stores ends until all senders are gone. Batches are sent again until the database has answered:
/// the guards make a second time harmless. After a refusal of what one of them holds they are sent
/// one by one, and the one that is refused makes its job a dead letter.
pub(super) async fn run(shared: Arc<Shared>, mut ends: mpsc::Receiver<Ended>) {
    let mut finisher: Option<Finisher> = None;
    let mut backoff = Backoff::new();
    let mut batch = Vec::with_capacity(BATCH);
    while ends.recv_many(&mut batch, BATCH).await > 0 {
        let (mut failures, mut alone) = (0_u32, false);
        while !batch.is_empty() {
            let size = if alone { 1 } else { batch.len() };
            let part = batch.get(..size).unwrap_or_default();
            let stored = timeout(DATABASE_TIMEOUT, store(&shared, &mut finisher, part)).await;
            match stored.unwrap_or_else(|late| Err(late.into())) {
                Ok(stored) => {
                    for ended in batch.drain(..size) {
                        shared.running.remove(&ended.run);
                        // After a lost answer it is unknown whether the first time was stored.
                        match alone || failures > 0 || stored.contains(&ended.run.id()) {
                            true => count(&shared, &ended),
                            false => stale(&shared, &ended.run),
                        }
                    }
                }
                Err(error) if is_refused(&error) => {
                    if let [ended] = batch.get_mut(..size).unwrap_or_default() {
                        refused(&shared, ended, &error);
                        backoff.wait().await;
                    }
                    alone = true;
                }
                Err(error) => {
                    let error = format!("{error:#}");
                    // Once for what is not over with a new session: until then, no job ends.
                    match failures {
                        2 => warn!(error, "ends of attempts could not be stored"),
                        _ => debug!(error, "ends of attempts could not be stored"),
                    }
                    finisher = None;
                    failures += 1;
                    backoff.wait().await;
                }
            }
        }
        backoff = Backoff::new();
    }
}

/// The job becomes a dead letter: no attempt of it can end otherwise.
fn refused(shared: &Shared, ended: &mut Ended, error: &anyhow::Error) {
    let run = &ended.run;
    let error = format!("its end could not be stored: {error:#}");
    run.log_failure(Some("permanent"), None, &error);
    if !matches!(ended.end, End::Failed { .. }) {
        shared.metrics.failed.count(run.labels(), 1);
    }
    run.take_progress();
    ended.end = End::Failed {
        reason: Some("permanent"),
        error,
        delay: Duration::ZERO,
    };
}

/// Stores a batch; returns those of its jobs that were still this worker's.
async fn store(
    shared: &Shared,
    finisher: &mut Option<Finisher>,
    batch: &[Ended],
) -> anyhow::Result<HashSet<i64>> {
    let finisher = match finisher {
        Some(finisher) => finisher,
        None => finisher.insert(Finisher::prepare(session(&shared.database).await?, shared.id).await?),
    };
    let (mut done, mut done_attempts) = (Vec::new(), Vec::new());
    let (mut released, mut released_attempts, mut delays) = (Vec::new(), Vec::new(), Vec::new());
    let mut failed = FailedAttempts::default();
    let mut stored = HashSet::with_capacity(batch.len());
    for Ended { run, end } in batch {
        let (id, attempt) = (run.id(), run.attempt().cast_signed());
        match end {
            End::Done(result) if run.public_id().is_some() => {
                let (progress, null) = (run.take_progress(), Value::Null);
                let result = result.as_ref().unwrap_or(&null);
                stored.extend(finisher.keep(id, attempt, progress.as_ref(), result).await?);
            }
            End::Done(_) => {
                done.push(id);
                done_attempts.push(attempt);
            }
            End::Failed { reason, error, delay } => {
                failed.id.push(id);
                failed.attempt.push(attempt);
                failed.delay_ms.push(milliseconds(*delay));
                failed.reason.push(*reason);
                failed.error.push(error);
            }
            End::Released(delay) => {
                released.push(id);
                released_attempts.push(attempt);
                delays.push(milliseconds(*delay));
            }
        }
    }
    if !done.is_empty() {
        stored.extend(finisher.complete(&done, &done_attempts).await?);
    }
    if !failed.id.is_empty() {
        stored.extend(finisher.fail(&failed).await?);
    }
    if !released.is_empty() {
        stored.extend(finisher.release(&released, &released_attempts, &delays).await?);
    }
    Ok(stored)
}

fn count(shared: &Shared, Ended { run, end }: &Ended) {
    let counted = match end {
        End::Done(_) => &shared.metrics.completed,
        End::Failed { reason: None, .. } => &shared.metrics.retried,
        End::Failed { .. } => &shared.metrics.dead,
        End::Released(_) => return,
    };
    counted.count(run.labels(), 1);
}

/// The job was taken over: its end is known elsewhere.
fn stale(shared: &Shared, run: &Run) {
    shared.metrics.stale.inc();
    info!(
        job_id = run.id(),
        kind = run.kind(),
        attempt = run.attempt(),
        "the end of an attempt was refused: the job had been taken over"
    );
}
