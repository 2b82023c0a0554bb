//! Retries batches whose outcome is in doubt or that were refused, over connections of its own.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use database::Database;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::task::TaskTracker;
use tracing::error;

use super::connection::{Limits, WriterConnection, within};
use super::queue::{DeadlinePassed, QueuedOrder, answer, to_be_sent, unconfirmed};
use super::statement::limited_code;
use super::write_error::{Recovery, WriteError};
use crate::metrics::ShopMetrics;
use crate::orders::{Cause, NotStored};

/// Finishes batches whose outcome is in doubt and batches that were refused.
///
/// Orders in doubt are sent again under the same ids until the server reports their outcome: the
/// insert waits for the transaction that may still be running and finds its rows. A SELECT would
/// not be enough: it sees nothing while the old transaction is still about to commit.
#[derive(Clone)]
pub(super) struct RetryQueue {
    database: Database,
    limits: Limits,
    metrics: ShopMetrics,
    /// Connections that may be in use at once.
    connections: Arc<Semaphore>,
    tasks: TaskTracker,
}

/// Pauses between attempts: doubled each time, up to the longest.
pub(super) const MIN_PAUSE: Duration = Duration::from_millis(20);
pub(super) const MAX_PAUSE: Duration = Duration::from_millis(200);
const CONNECTIONS: usize = 4;

/// One batch that is being retried, in pieces.
struct RetryTask {
    retries: RetryQueue,
    /// First in, first out: a piece that waits for a lock does not keep the others waiting for it.
    pieces: VecDeque<Vec<QueuedOrder>>,
    connection: Option<WriterConnection>,
    pause: Duration,
    cause: Cause,
}

impl RetryQueue {
    pub(super) fn new(database: Database, limits: Limits, metrics: ShopMetrics) -> RetryQueue {
        RetryQueue {
            database,
            limits,
            metrics,
            connections: Arc::new(Semaphore::new(CONNECTIONS)),
            tasks: TaskTracker::new(),
        }
    }

    /// Sends the batch again until each order has its outcome or its time is over.
    pub(super) fn retry(&self, batch: Vec<QueuedOrder>) {
        if !batch.is_empty() {
            self.start(VecDeque::from([batch]), Arc::new(DeadlinePassed));
        }
    }

    /// The same for a batch that the server has refused.
    pub(super) fn retry_refused(&self, batch: Vec<QueuedOrder>, recovery: Recovery, cause: Cause) {
        let mut task = self.task(VecDeque::new(), cause.clone());
        task.refused(batch, recovery, cause);
        let pieces = std::mem::take(&mut task.pieces);
        self.start(pieces, task.cause);
    }

    /// Waits until every retry has ended.
    pub(super) async fn finished(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn start(&self, pieces: VecDeque<Vec<QueuedOrder>>, cause: Cause) {
        let task = self.task(pieces, cause);
        self.tasks.spawn(task.run());
    }

    fn task(&self, pieces: VecDeque<Vec<QueuedOrder>>, cause: Cause) -> RetryTask {
        RetryTask {
            retries: self.clone(),
            pieces,
            connection: None,
            pause: MIN_PAUSE,
            cause,
        }
    }
}

impl RetryTask {
    async fn run(mut self) {
        let connections = self.retries.connections.clone();
        // Closed only by dropping it.
        let _permit = connections.acquire().await;
        while let Some(mut piece) = self.pieces.pop_front() {
            self.give_up_late(&mut piece);
            if !piece.is_empty() {
                self.attempt(piece).await;
            }
        }
    }

    /// Leaves the orders whose deadline has not passed; the others are given up.
    fn give_up_late(&self, piece: &mut Vec<QueuedOrder>) {
        let now = Instant::now();
        for late in piece.extract_if(.., |queued| queued.deadline <= now) {
            late.give_up(self.cause.clone());
        }
    }

    async fn attempt(&mut self, mut piece: Vec<QueuedOrder>) {
        let latest = piece.iter().map(|queued| queued.deadline).max();
        let latest = latest.unwrap_or_else(Instant::now);
        let Some(connection) = self.connection(latest).await else {
            self.later(piece).await;
            return;
        };
        let mut piece = to_be_sent(&mut piece, self.retries.limits.statement);
        if piece.is_empty() {
            self.connection = Some(connection);
            return;
        }
        self.retries.metrics.resubmitted(piece.len());
        let limit = self.retries.limits.statement;
        match within(Instant::now(), limit, connection.write(&piece)).await {
            Ok(outcomes) => {
                self.connection = Some(connection);
                let again = answer(piece, outcomes);
                self.later(again).await;
            }
            Err(WriteError::Lost(cause)) => {
                self.cause = cause;
                for queued in &mut piece {
                    queued.in_doubt = true;
                }
                self.later(piece).await;
            }
            Err(WriteError::Unconfirmed(cause)) => {
                self.connection = Some(connection);
                unconfirmed(piece, &cause);
            }
            Err(WriteError::RolledBack(recovery, cause)) => {
                if !matches!(recovery, Recovery::FailAndReconnect | Recovery::Reconnect) {
                    self.connection = Some(connection);
                }
                piece.iter().for_each(QueuedOrder::undone);
                let pieces = self.pieces.len();
                self.refused(piece, recovery, cause);
                if self.pieces.len() == pieces + 1 {
                    self.wait().await;
                }
            }
        }
    }

    async fn connection(&mut self, latest: Instant) -> Option<WriterConnection> {
        let open = self.connection.take();
        if let Some(connection) = open.filter(|connection| !connection.is_closed()) {
            return Some(connection);
        }
        let opening = WriterConnection::open(&self.retries.database, self.retries.limits);
        match timeout_at(latest, opening).await {
            Ok(Ok(connection)) => return Some(connection),
            Ok(Err(cause)) => self.cause = cause,
            Err(_) => {}
        }
        None
    }

    /// Tries the piece again after a pause.
    async fn later(&mut self, piece: Vec<QueuedOrder>) {
        if !piece.is_empty() {
            self.pieces.push_back(piece);
            self.wait().await;
        }
    }

    async fn wait(&mut self) {
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(MAX_PAUSE);
    }

    /// Divides a refused piece into pieces to be sent again, and answers.
    fn refused(&mut self, mut piece: Vec<QueuedOrder>, recovery: Recovery, cause: Cause) {
        self.cause = cause.clone();
        let is_alone = piece.len() == 1;
        match recovery {
            Recovery::Repeat | Recovery::Reconnect => self.pieces.push_back(piece),
            Recovery::Bisect | Recovery::BisectSlow if !is_alone => {
                self.retries.metrics.splits.inc();
                // Those that would wait for the same row stay together.
                piece.sort_by(|one, other| limited_code(one).cmp(&limited_code(other)));
                let second = piece.split_off(piece.len() / 2);
                self.pieces.extend([piece, second]);
            }
            // The holder of the lock, a migration for example, may release it in time.
            Recovery::BisectSlow => self.pieces.push_back(piece),
            Recovery::Bisect => {
                for queued in piece {
                    error!(order.id = %queued.new_order().order.id, error = process::failure::line(&*cause), "the database refuses an order");
                    queued.answer(Err(NotStored::Refused(cause.clone())));
                }
            }
            Recovery::FailAndReconnect | Recovery::Fail => {
                for queued in piece.extract_if(.., |queued| !queued.in_doubt) {
                    queued.give_up(cause.clone());
                }
                if !piece.is_empty() {
                    self.pieces.push_back(piece);
                }
            }
        }
    }
}
