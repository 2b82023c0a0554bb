//! The order writer: group commit.
//!
//! Orders that arrive while a batch is being committed make up the next one. A batch is one
//! statement and one transaction, and each order is answered after its COMMIT. No batch waits to
//! become larger; a second one is sent behind the first, so that the database goes from one to the
//! next. While commits take long against what their batches cost, batches go over several
//! connections instead, and wait for their commits at the same time.
//!
//! `queue` is both sides of a waiting order · `worker` collects and writes batches, `batches` is
//! their size · `connections` has them in flight, `connection` sends a batch, `statement` is its
//! SQL · `retry` finishes lost and refused batches.
//!
//! Two workers: orders with a limited promotion queue for its row, and the others must not queue
//! with them.

mod batches;
mod connection;
mod connections;
mod queue;
mod retry;
mod statement;
mod worker;
mod write_error;

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use database::Database;
use tokio::sync::mpsc::{self, Sender};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::idempotency::KeyGuard;
use super::{CouponCheck, NewOrder, NotStored};
use crate::metrics::ShopMetrics;
use batches::{BatchSizer, CommitLatency};
use connection::Limits;
pub(crate) use queue::Written;
use queue::{OrderWaiter, QueuedOrder, pair};
use retry::RetryQueue;
use worker::Worker;

/// More orders than the database takes.
#[derive(Debug, thiserror::Error)]
#[error("{0} orders are waiting already")]
struct QueueFull(usize);

/// The parts of a writer.
pub(crate) struct WriterParts {
    pub(crate) database: Database,
    /// The most orders that wait in each queue.
    pub(crate) queue: usize,
    pub(crate) order_deadline: Duration,
    /// Connections for orders without a limited promotion: so many, and at most so many while
    /// commits take long. For the others: so many.
    pub(crate) connections: RangeInclusive<usize>,
    pub(crate) metrics: ShopMetrics,
}

/// Stores orders in batches, on a thread of its own.
pub(crate) struct Writer {
    unlimited: Sender<QueuedOrder>,
    limited: Sender<QueuedOrder>,
    metrics: ShopMetrics,
    stop: CancellationToken,
    ended: CancellationToken,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread, which connects at once.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub(crate) fn start(parts: WriterParts) -> std::io::Result<Writer> {
        let WriterParts {
            database,
            queue,
            order_deadline,
            connections,
            metrics,
        } = parts;
        let limits = Limits::new(order_deadline, database.statement_timeout());
        let retries = RetryQueue::new(database.clone(), limits, metrics.clone());
        let (stop, ended) = (CancellationToken::new(), CancellationToken::new());
        let worker = |connections: RangeInclusive<usize>, orders: &str| {
            let (entrance, queue) = mpsc::channel(queue);
            let worker = Worker {
                database: database.clone(),
                limits,
                connections,
                open_connections: metrics.writer_connections(orders),
                queue,
                retries: retries.clone(),
                sizer: BatchSizer::default(),
                latency: CommitLatency::default(),
                metrics: metrics.clone(),
                stop: stop.clone(),
            };
            (entrance, worker)
        };
        // Orders with the same promotion wait for its row until the commit before them ends: more
        // connections would only wait.
        let least = *connections.start();
        let (unlimited, first) = worker(connections, "unlimited");
        let (limited, second) = worker(least..=least, "limited");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        // Cancelled however the thread ends.
        let end = ended.clone().drop_guard();
        let thread = std::thread::Builder::new()
            .name("order-writer".into())
            .spawn(move || {
                let _end = end;
                runtime.block_on(async {
                    tokio::join!(first.run(), second.run());
                    retries.finished().await;
                });
            })?;
        Ok(Writer {
            unlimited,
            limited,
            metrics,
            stop,
            ended,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// How many orders wait, in both queues.
    pub(crate) fn queue_length(&self) -> usize {
        [&self.unlimited, &self.limited].into_iter().map(length).sum()
    }

    /// Waits until the writer has ended: after [`Writer::stop`], or because it failed.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Writes what is queued, retries what is in doubt, and ends. Orders that come later are
    /// refused.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.ended().await;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // It has ended, or is about to.
            let _ = thread.join();
        }
    }

    /// Queues an order; `guard` is held until its outcome is known.
    ///
    /// # Errors
    /// [`NotStored::Unavailable`] when too many orders wait.
    pub(in crate::orders) fn enqueue(
        &self,
        new: NewOrder,
        deadline: Instant,
        guard: Option<KeyGuard>,
    ) -> Result<OrderWaiter, NotStored> {
        let queue = match new.coupon_check {
            CouponCheck::Counted(_) => &self.limited,
            CouponCheck::None | CouponCheck::Listed(_) => &self.unlimited,
        };
        let (queued, waiter) = pair(new, deadline, guard);
        if queue.try_send(queued).is_err() {
            self.metrics.queue_full.inc();
            return Err(NotStored::Unavailable(Arc::new(QueueFull(length(queue)))));
        }
        Ok(waiter)
    }
}

/// Orders that wait in a queue.
fn length(queue: &Sender<QueuedOrder>) -> usize {
    queue.max_capacity() - queue.capacity()
}
