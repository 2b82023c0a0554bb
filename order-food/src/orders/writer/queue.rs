//! Both sides of an order in the queue: the waiting request and the writer.
//!
//! The waiting side may give up at the deadline; one atomic state decides whether the order can be
//! on disk by then:
//!
//! ```text
//! Waiting ──begin──▶ Sent ──undone──▶ Waiting
//!    └────abandon──▶ Abandoned: never sent (again), certainly not stored
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use crate::orders::idempotency::KeyGuard;
use crate::orders::{Cause, NewOrder, NotStored, Unredeemable};

/// The deadline passed.
#[derive(Debug, thiserror::Error)]
#[error("the deadline passed")]
pub(super) struct DeadlinePassed;

/// The writer has ended.
#[derive(Debug, thiserror::Error)]
#[error("the order writer is stopping")]
pub(crate) struct WriterStopped;

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
pub(super) fn pair(new: NewOrder, deadline: Instant, guard: Option<KeyGuard>) -> (QueuedOrder, OrderWaiter) {
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

/// Tells each order that it is stored, and perhaps not for long.
pub(super) fn unconfirmed(batch: Vec<QueuedOrder>, cause: &Cause) {
    warn!(
        orders = batch.len(),
        error = process::failure::line(&**cause),
        "orders may be lost in a failover"
    );
    for queued in batch {
        queued.answer(WriteOutcome::Unknown(cause.clone()));
    }
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
