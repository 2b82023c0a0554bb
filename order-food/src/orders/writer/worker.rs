//! Collects queued orders into batches and writes them over one connection, or several.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use database::Database;
use futures_util::FutureExt;
use prometheus::IntGauge;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::batches::{BatchSizer, CommitLatency, MAX_BATCH};
use super::connection::{Limits, WriterConnection};
use super::connections::{CompletedBatch, Connections, Place};
use super::queue::{QueuedOrder, answer, to_be_sent, unconfirmed};
use super::retry::{MAX_PAUSE, MIN_PAUSE, RetryQueue};
use super::write_error::{Recovery, WriteError};
use crate::metrics::ShopMetrics;
use crate::orders::Cause;

/// One queue and the connections that empty it: what has come while the last batch was being
/// committed is the next batch, at most as large as [`BatchSizer`] says. While commits take long,
/// there are more connections. Failures go to the retry queue, so that the next batch does not wait
/// for them.
pub(super) struct Worker {
    pub(super) database: Database,
    pub(super) limits: Limits,
    /// How many connections there are when commits are fast, and at most.
    pub(super) connections: RangeInclusive<usize>,
    pub(super) open_connections: IntGauge,
    pub(super) queue: Receiver<QueuedOrder>,
    pub(super) retries: RetryQueue,
    pub(super) sizer: BatchSizer,
    pub(super) latency: CommitLatency,
    pub(super) metrics: ShopMetrics,
    pub(super) stop: CancellationToken,
}

/// The database has not been reached yet.
#[derive(Debug, thiserror::Error)]
#[error("the database cannot be reached")]
struct Unreachable;

/// What a worker waits for.
enum Event {
    Completed(CompletedBatch),
    /// Orders have come, or a connection has.
    Changed,
    /// The worker is stopped, and nothing is left.
    Ended,
}

/// Orders wait so long for a database that is away; then they are refused until it is back.
const UNREACHABLE_GRACE: Duration = Duration::from_secs(1);

impl Worker {
    /// Writes until `stop`, and what is queued then.
    pub(super) async fn run(mut self) {
        let mut batch = Vec::with_capacity(MAX_BATCH);
        while let Some(first) = self.connection(&mut batch).await {
            let mut connections = Connections::new(
                self.database.clone(),
                self.limits,
                self.connections.clone(),
                first,
                self.open_connections.clone(),
            );
            if !self.write_over(&mut connections, &mut batch).await {
                return;
            }
        }
    }

    /// Writes as long as a connection is good; false when the worker is stopped and nothing is
    /// left.
    async fn write_over(&mut self, connections: &mut Connections, batch: &mut Vec<QueuedOrder>) -> bool {
        // Orders may have waited for the connection.
        self.send(connections, batch);
        loop {
            let completed = match self.event(connections, batch).await {
                Event::Completed(completed) => Some(completed),
                Event::Changed => None,
                Event::Ended => return false,
            };
            if let Some(CompletedBatch {
                batch,
                outcome: Ok(_),
                took,
            }) = &completed
            {
                self.latency.observe(batch.len(), *took);
            }
            connections.close_unused();
            self.send(connections, batch);
            if let Some(completed) = completed {
                // On their way before the batch before them is answered.
                tokio::task::yield_now().await;
                self.finish(completed);
            }
            // Without orders, a database that is away is not missed, and its absence not counted.
            if connections.is_empty() && !batch.is_empty() {
                return true;
            }
        }
    }

    async fn event(&mut self, connections: &mut Connections, batch: &mut Vec<QueuedOrder>) -> Event {
        let (stop, is_idle) = (self.stop.clone(), connections.are_idle());
        // Of several connections one may be free; the only one is waited for.
        let listens = match connections.place(self.wanted(connections)) {
            Place::Free(_) => true,
            Place::Behind(_) | Place::None => is_idle,
        };
        let is_closed = self.queue.is_closed();
        if is_idle && is_closed && self.queue.is_empty() && batch.is_empty() {
            return Event::Ended;
        }
        let most = self.sizer.most().saturating_sub(batch.len());
        let listens = listens && most > 0 && !(is_closed && self.queue.is_empty());
        let unused = connections.next_unused();
        tokio::select! {
            biased;
            completed = connections.changed() => completed.map_or(Event::Changed, Event::Completed),
            _ = self.queue.recv_many(batch, most), if listens => Event::Changed,
            () = stop.cancelled(), if !is_closed => {
                self.queue.close();
                Event::Changed
            }
            () = sleep_until(unused.unwrap_or_else(Instant::now)), if unused.is_some() => Event::Changed,
        }
    }

    fn wanted(&self, connections: &Connections) -> usize {
        connections.wanted(self.latency.is_long())
    }

    /// Sends what is queued: the first batch however small, the next one when it is worth it.
    fn send(&mut self, connections: &mut Connections, batch: &mut Vec<QueuedOrder>) {
        if connections.is_empty() {
            return;
        }
        self.sizer
            .observe(connections.orders() + batch.len() + self.queue.len());
        let (wanted, least) = (self.wanted(connections), connections.wanted(false));
        connections.open_another(least);
        loop {
            let waiting = batch.len() + self.queue.len();
            let place = connections.place(wanted);
            let worth_it = match place {
                _ if connections.are_idle() => 1,
                Place::Behind(_) => self.sizer.worth_it(),
                Place::Free(_) | Place::None => self.sizer.share(wanted),
            };
            if waiting < worth_it {
                return;
            }
            let (Place::Free(at) | Place::Behind(at)) = place else {
                connections.open_another(wanted);
                return;
            };
            let most = self.sizer.most();
            while batch.len() < most
                && let Ok(queued) = self.queue.try_recv()
            {
                batch.push(queued);
            }
            let rest = batch.split_off(batch.len().min(most));
            let sent = to_be_sent(batch, self.limits.statement);
            *batch = rest;
            if !sent.is_empty() {
                connections.send(at, sent);
            }
        }
    }

    /// Tells the orders of a batch what became of them.
    fn finish(&self, completed: CompletedBatch) {
        let CompletedBatch {
            mut batch,
            outcome,
            took,
        } = completed;
        match outcome {
            Ok(outcomes) => {
                self.metrics.committed(batch.len(), took);
                let again = answer(batch, outcomes);
                self.retries.retry(again);
            }
            Err(WriteError::Lost(cause)) => {
                warn!(
                    orders = batch.len(),
                    error = process::failure::line(&*cause),
                    "the answer to COMMIT was lost; storing again"
                );
                for queued in &mut batch {
                    queued.in_doubt = true;
                }
                self.retries.retry(batch);
            }
            Err(WriteError::Unconfirmed(cause)) => unconfirmed(batch, &cause),
            Err(WriteError::RolledBack(recovery, cause)) => {
                batch.iter().for_each(QueuedOrder::undone);
                match recovery {
                    Recovery::Fail | Recovery::FailAndReconnect => refuse(&mut batch, &cause),
                    _ => self.retries.retry_refused(batch, recovery, cause),
                }
            }
        }
    }

    /// A connection, as soon as one can be had; `None` when the worker is stopped without one.
    async fn connection(&mut self, batch: &mut Vec<QueuedOrder>) -> Option<WriterConnection> {
        let (since, stop) = (Instant::now(), self.stop.clone());
        let (database, limits) = (self.database.clone(), self.limits);
        let mut cause: Cause = Arc::new(Unreachable);
        let mut pause = MIN_PAUSE;
        let mut attempt = WriterConnection::open(&database, limits).boxed();
        loop {
            let away = since.elapsed() >= UNREACHABLE_GRACE;
            if away {
                refuse(batch, &cause);
            }
            let room = batch.len() < MAX_BATCH;
            tokio::select! {
                opened = &mut attempt => match opened {
                    Ok(connection) => {
                        if away {
                            info!(away_ms = since.elapsed().as_millis(), "orders are stored again");
                        }
                        return Some(connection);
                    }
                    Err(problem) => {
                        cause = problem;
                        attempt = sleep(pause).then(|()| WriterConnection::open(&database, limits)).boxed();
                        pause = (pause * 2).min(MAX_PAUSE);
                    }
                },
                () = sleep_until(since + UNREACHABLE_GRACE), if !away => {}
                count = self.queue.recv_many(batch, MAX_BATCH), if away && room => {
                    if count == 0 {
                        return None;
                    }
                }
                () = stop.cancelled(), if !self.queue.is_closed() => self.queue.close(),
            }
        }
    }
}

/// None of these orders is stored, nor will be.
fn refuse(batch: &mut Vec<QueuedOrder>, cause: &Cause) {
    for queued in batch.drain(..) {
        queued.give_up(cause.clone());
    }
}
