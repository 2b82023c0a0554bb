//! Collects queued orders into batches and writes them over one connection.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use database::Database;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::connection::{Limits, WriterConnection, within};
use super::queue::{QueuedOrder, WriteOutcome, answer, to_be_sent, unconfirmed};
use super::retry::{MAX_PAUSE, MIN_PAUSE, RetryQueue};
use super::write_error::{Recovery, WriteError};
use crate::metrics::ShopMetrics;
use crate::orders::Cause;

/// One queue and the connection that empties it: what has come while the last batch was being
/// committed is the next batch, at most as large as [`BatchSizer`] says. Failures go to the retry
/// queue, so that the next batch does not wait for them.
pub(super) struct Worker {
    pub(super) database: Database,
    pub(super) limits: Limits,
    pub(super) queue: Receiver<QueuedOrder>,
    pub(super) retries: RetryQueue,
    pub(super) sizer: BatchSizer,
    pub(super) metrics: ShopMetrics,
    pub(super) stop: CancellationToken,
}

/// The database has not been reached yet.
#[derive(Debug, thiserror::Error)]
#[error("the database cannot be reached")]
struct Unreachable;

/// A batch that was sent.
struct InFlightBatch<'a> {
    batch: Rc<Vec<QueuedOrder>>,
    written: LocalBoxFuture<'a, Outcome>,
    /// When it was sent, or later: when the one before it had completed.
    since: Instant,
}

/// A batch, and what came back.
struct CompletedBatch {
    batch: Vec<QueuedOrder>,
    outcome: Outcome,
    took: Duration,
}

type Outcome = Result<Vec<Option<WriteOutcome>>, WriteError>;

/// Batches that the server has at once: the second begins where the first ends, without waiting for
/// us to hear of it.
const MAX_IN_FLIGHT: usize = 2;
/// Orders wait so long for a database that is away; then they are refused until it is back.
const UNREACHABLE_GRACE: Duration = Duration::from_secs(1);

impl Worker {
    /// Writes until `stop`, and what is queued then.
    pub(super) async fn run(mut self) {
        let mut batch = Vec::with_capacity(MAX_BATCH);
        while let Some(connection) = self.connection(&mut batch).await {
            if !self.write_over(&connection, &mut batch).await {
                return;
            }
        }
    }

    /// Writes as long as the connection is good; false when the worker is stopped and nothing is
    /// left.
    async fn write_over(&mut self, connection: &WriterConnection, batch: &mut Vec<QueuedOrder>) -> bool {
        let limit = self.limits.statement;
        let mut under_way: VecDeque<InFlightBatch<'_>> = VecDeque::with_capacity(MAX_IN_FLIGHT);
        loop {
            let completed = match under_way.pop_front() {
                Some(sent) => Some(sent.complete(limit).await),
                None => {
                    if batch.is_empty() && !self.receive(batch).await {
                        return false;
                    }
                    None
                }
            };
            let good = !connection.is_closed()
                && completed
                    .as_ref()
                    .is_none_or(CompletedBatch::keeps_the_connection);
            if good {
                if let Some(next) = under_way.front_mut() {
                    next.since = Instant::now();
                }
                self.send(connection, batch, &mut under_way);
                // On their way before the batch before them is answered.
                tokio::task::yield_now().await;
            }
            if let Some(completed) = completed {
                self.finish(completed);
            }
            if !good {
                for sent in under_way {
                    self.finish(sent.complete(limit).await);
                }
                return true;
            }
        }
    }

    /// Waits for orders; false when there will be none any more.
    async fn receive(&mut self, batch: &mut Vec<QueuedOrder>) -> bool {
        let (stop, most) = (self.stop.clone(), self.sizer.most());
        tokio::select! {
            biased;
            count = self.queue.recv_many(batch, most) => count > 0,
            () = stop.cancelled(), if !self.queue.is_closed() => {
                self.queue.close();
                self.queue.recv_many(batch, most).await > 0
            }
        }
    }

    /// Sends what is queued: the first batch however small, the next one when it is worth it.
    fn send<'a>(
        &mut self,
        connection: &'a WriterConnection,
        batch: &mut Vec<QueuedOrder>,
        under_way: &mut VecDeque<InFlightBatch<'a>>,
    ) {
        let sent: usize = under_way.iter().map(|sent| sent.batch.len()).sum();
        self.sizer.observe(sent + batch.len() + self.queue.len());
        while under_way.len() < MAX_IN_FLIGHT {
            let waiting = batch.len() + self.queue.len();
            if waiting == 0 || (!under_way.is_empty() && waiting < self.sizer.worth_it()) {
                return;
            }
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
                under_way.push_back(InFlightBatch::begin(connection, sent));
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

impl<'a> InFlightBatch<'a> {
    fn begin(connection: &'a WriterConnection, batch: Vec<QueuedOrder>) -> InFlightBatch<'a> {
        let batch = Rc::new(batch);
        let orders = batch.clone();
        let mut written = async move { connection.write(&orders).await }.boxed_local();
        // The first poll hands the statement to the connection.
        if let Some(outcome) = (&mut written).now_or_never() {
            written = std::future::ready(outcome).boxed_local();
        }
        InFlightBatch {
            batch,
            written,
            since: Instant::now(),
        }
    }

    /// Waits until it is known what became of the batch, or the server has been silent for `limit`.
    async fn complete(self, limit: Duration) -> CompletedBatch {
        let InFlightBatch {
            batch,
            mut written,
            since,
        } = self;
        let outcome = within(since, limit, &mut written).await;
        drop(written);
        CompletedBatch {
            // What was written from was the only other owner.
            batch: Rc::into_inner(batch).unwrap_or_default(),
            outcome,
            took: since.elapsed(),
        }
    }
}

impl CompletedBatch {
    /// Whether the connection may be used again.
    fn keeps_the_connection(&self) -> bool {
        !matches!(
            self.outcome,
            Err(WriteError::Lost(_)
                | WriteError::RolledBack(Recovery::FailAndReconnect | Recovery::Reconnect, _))
        )
    }
}

/// None of these orders is stored, nor will be.
fn refuse(batch: &mut Vec<QueuedOrder>, cause: &Cause) {
    for queued in batch.drain(..) {
        queued.give_up(cause.clone());
    }
}

/// How many orders make a batch, by how many wait at once.
///
/// With half of them in a batch, the other half is being answered meanwhile, comes back as new
/// orders and soon lies ready behind it. A batch of all is cheaper for an order, but then the
/// database waits for orders and the orders for the database, in turns.
#[derive(Debug, Default)]
pub(super) struct BatchSizer {
    /// The most orders that waited lately.
    lately: usize,
}

/// The most orders of one batch.
pub(super) const MAX_BATCH: usize = 256;
/// A smaller batch is not worth a commit of its own while another is in flight.
const SMALL: usize = 16;
/// Each observation forgets this part of the former ones.
const MEMORY: usize = 64;

impl BatchSizer {
    /// So many orders wait for their answer, sent or not.
    pub(super) fn observe(&mut self, waiting: usize) {
        let remembered = self.lately - self.lately.div_ceil(MEMORY);
        self.lately = waiting.max(remembered);
    }

    /// The most orders of the next batch.
    pub(super) fn most(&self) -> usize {
        (self.lately / 2).clamp(SMALL, MAX_BATCH)
    }

    /// The size from which a batch is sent although another is in flight.
    pub(super) fn worth_it(&self) -> usize {
        SMALL.max(self.most() / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_half_of_what_waits_within_bounds() {
        let cases = [
            (0, 16, 16),
            (1, 16, 16),
            (60, 30, 16),
            (255, 127, 63),
            (5000, 256, 128),
        ];
        for (waiting, most, worth_it) in cases {
            let mut sizer = BatchSizer::default();
            sizer.observe(waiting);
            assert_eq!((sizer.most(), sizer.worth_it()), (most, worth_it), "{waiting}");
        }
    }

    #[test]
    fn a_crowd_is_forgotten_bit_by_bit() {
        let mut sizer = BatchSizer::default();
        sizer.observe(300);
        sizer.observe(10);
        assert_eq!(sizer.most(), 147);

        for _ in 0..500 {
            sizer.observe(10);
        }
        assert_eq!(sizer.lately, 10);
    }
}
