//! The queues of orders, the writer's thread, and both sides of an order in a queue.
//!
//! The waiting side may give up at the deadline; one atomic state decides whether the order can be
//! on disk by then:
//!
//! ```text
//! Waiting ──begin──▶ Sent ──undone──▶ Waiting
//!    └────abandon──▶ Abandoned: never sent (again), certainly not stored
//! ```

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use database::Database;
use tokio::sync::mpsc::{self, Sender};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::connection::Limits;
use super::retry::RetryQueue;
use super::worker::{BatchSizer, Worker};
use crate::metrics::ShopMetrics;
use crate::orders::idempotency::KeyGuard;
use crate::orders::{Cause, CouponCheck, NewOrder, NotStored, Unredeemable};

/// The deadline passed.
#[derive(Debug, thiserror::Error)]
#[error("the deadline passed")]
pub(super) struct DeadlinePassed;

/// The writer has ended.
#[derive(Debug, thiserror::Error)]
#[error("the order writer is stopping")]
pub(crate) struct WriterStopped;

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
            metrics,
        } = parts;
        let limits = Limits::new(order_deadline, database.statement_timeout());
        let retries = RetryQueue::new(database.clone(), limits, metrics.clone());
        let (stop, ended) = (CancellationToken::new(), CancellationToken::new());
        let worker = || {
            let (entrance, queue) = mpsc::channel(queue);
            let worker = Worker {
                database: database.clone(),
                limits,
                queue,
                retries: retries.clone(),
                sizer: BatchSizer::default(),
                metrics: metrics.clone(),
                stop: stop.clone(),
            };
            (entrance, worker)
        };
        let ((unlimited, first), (limited, second)) = (worker(), worker());
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
            self.metrics.queue_full();
            return Err(NotStored::Unavailable(Arc::new(QueueFull(length(queue)))));
        }
        Ok(waiter)
    }
}

/// The end of the writer's work on an order.
#[derive(Clone, Debug)]
pub(crate) enum WriteOutcome {
    /// The order is on disk.
    Stored,
    /// Its coupon is not good for it.
    Unredeemable(Unredeemable),
    /// Another order holds its Idempotency-Key.
    KeyTaken,
    /// Certainly not stored.
    Unavailable(Cause),
    /// The database refuses its data.
    Refused(Cause),
    /// The time was over before the outcome was known.
    Unknown(Cause),
}

/// The outcomes that the answer to an order depends on.
pub(crate) enum Written {
    Stored,
    Unredeemable(Unredeemable),
    KeyTaken,
}

/// The writer's side of an order. Dropped without an outcome, it answers what is true then.
#[derive(Debug)]
pub(super) struct QueuedOrder {
    shared: Arc<SharedOrder>,
    pub(super) deadline: Instant,
    /// An earlier attempt may have stored it: the outcome of a later one decides.
    pub(super) in_doubt: bool,
    reply: Option<oneshot::Sender<(WriteOutcome, bool)>>,
    guard: Option<KeyGuard>,
}

/// The caller's side.
pub(crate) struct OrderWaiter {
    shared: Arc<SharedOrder>,
    deadline: Instant,
    outcome: oneshot::Receiver<(WriteOutcome, bool)>,
}

/// The part that both sides hold. The waiting side drops it last: the thread that allocated an
/// order frees it, which is cheaper than freeing it on the writer's thread.
#[derive(Debug)]
struct SharedOrder {
    new: NewOrder,
    state: AtomicU8,
}

const WAITING: u8 = 0;
const SENT: u8 = 1;
const ABANDONED: u8 = 2;

/// Those of `batch` that may be sent now. An order with less time left than a statement may take is
/// refused: its outcome would come too late. One in doubt has nothing to lose.
pub(super) fn to_be_sent(batch: &mut Vec<QueuedOrder>, limit: Duration) -> Vec<QueuedOrder> {
    let latest = Instant::now() + limit;
    let mut sent = Vec::with_capacity(batch.len());
    for queued in batch.drain(..) {
        if !queued.in_doubt && queued.deadline < latest {
            queued.give_up(Arc::new(DeadlinePassed));
        } else if queued.begin() {
            sent.push(queued);
        }
    }
    sent
}

/// Both sides of an order.
fn pair(new: NewOrder, deadline: Instant, guard: Option<KeyGuard>) -> (QueuedOrder, OrderWaiter) {
    let shared = Arc::new(SharedOrder {
        new,
        state: AtomicU8::new(WAITING),
    });
    let (reply, outcome) = oneshot::channel();
    let waiting = OrderWaiter {
        shared: shared.clone(),
        deadline,
        outcome,
    };
    let queued = QueuedOrder {
        shared,
        deadline,
        in_doubt: false,
        reply: Some(reply),
        guard,
    };
    (queued, waiting)
}

impl QueuedOrder {
    pub(super) fn new_order(&self) -> &NewOrder {
        &self.shared.new
    }

    /// Marks it as sent; false when no request waits for it any more, and it must not be sent.
    fn begin(&self) -> bool {
        self.in_doubt || self.shared.step(WAITING, SENT)
    }

    /// What was sent is certainly undone; it may be sent again.
    pub(super) fn undone(&self) {
        if !self.in_doubt {
            self.shared.step(SENT, WAITING);
        }
    }

    /// Sends the outcome to the waiting side, if it is still there.
    pub(super) fn answer(mut self, outcome: WriteOutcome) {
        self.send(outcome);
    }

    /// Ends it as not stored or, after an attempt in doubt, as unknown.
    pub(super) fn give_up(self, cause: Cause) {
        let outcome = self.without_success(cause);
        self.answer(outcome);
    }

    fn without_success(&self, cause: Cause) -> WriteOutcome {
        if self.in_doubt {
            WriteOutcome::Unknown(cause)
        } else {
            WriteOutcome::Unavailable(cause)
        }
    }

    fn send(&mut self, outcome: WriteOutcome) {
        // Before the answer: a client may repeat the request as soon as it has it.
        self.guard = None;
        if let Some(reply) = self.reply.take() {
            let _ = reply.send((outcome, self.in_doubt));
        }
    }
}

impl Drop for QueuedOrder {
    fn drop(&mut self) {
        let outcome = if self.shared.state.load(Ordering::Acquire) == SENT {
            WriteOutcome::Unknown(Arc::new(WriterStopped))
        } else {
            WriteOutcome::Unavailable(Arc::new(WriterStopped))
        };
        self.send(outcome);
    }
}

impl WriteOutcome {
    /// The outcome for the order with this id.
    ///
    /// # Errors
    /// [`NotStored`] when it is not stored, or unknown, for no fault of the order.
    pub(crate) fn found(self, id: uuid::Uuid) -> Result<Written, NotStored> {
        match self {
            WriteOutcome::Stored => Ok(Written::Stored),
            WriteOutcome::Unredeemable(reason) => Ok(Written::Unredeemable(reason)),
            WriteOutcome::KeyTaken => Ok(Written::KeyTaken),
            WriteOutcome::Unavailable(cause) => Err(NotStored::Unavailable(cause)),
            WriteOutcome::Refused(cause) => Err(NotStored::Refused(cause)),
            WriteOutcome::Unknown(cause) => Err(NotStored::Unknown { id, cause }),
        }
    }
}

impl OrderWaiter {
    /// The outcome, and whether an earlier attempt was in doubt.
    ///
    /// # Errors
    /// [`NotStored::Unavailable`] or [`NotStored::Unknown`], at the deadline.
    pub(crate) async fn outcome(self) -> Result<(WriteOutcome, bool), NotStored> {
        let late = || -> Cause { Arc::new(DeadlinePassed) };
        match timeout_at(self.deadline, self.outcome).await {
            Ok(Ok(outcome)) => Ok(outcome),
            _ if self.shared.step(WAITING, ABANDONED) => Err(NotStored::Unavailable(late())),
            _ => Err(NotStored::Unknown {
                id: self.shared.new.order.id,
                cause: late(),
            }),
        }
    }
}

impl SharedOrder {
    fn step(&self, from: u8, to: u8) -> bool {
        self.state
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

/// Orders that wait in a queue.
fn length(queue: &Sender<QueuedOrder>) -> usize {
    queue.max_capacity() - queue.capacity()
}

/// Tells each order its outcome; returns those to be tried again.
pub(super) fn answer(batch: Vec<QueuedOrder>, outcomes: Vec<Option<WriteOutcome>>) -> Vec<QueuedOrder> {
    let mut again = Vec::new();
    for (queued, outcome) in batch.into_iter().zip(outcomes) {
        match outcome {
            Some(outcome) => queued.answer(outcome),
            None => {
                queued.undone();
                again.push(queued);
            }
        }
    }
    again
}
