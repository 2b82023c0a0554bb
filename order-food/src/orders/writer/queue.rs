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
struct WriterStopped;

/// The end of the writer's work on an order.
pub(crate) type WriteOutcome = Result<Written, NotStored>;

/// The outcomes that the answer to an order depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// The order is on disk.
    Stored,
    /// Its coupon is not good for it.
    Unredeemable(Unredeemable),
    /// Another order holds its Idempotency-Key.
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
        let outcome = match self.in_doubt {
            true => self.unknown(cause),
            false => Err(NotStored::Unavailable(cause)),
        };
        self.answer(outcome);
    }

    fn unknown(&self, cause: Cause) -> WriteOutcome {
        let id = self.shared.new.order.id;
        Err(NotStored::Unknown { id, cause })
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
        let stopped = Arc::new(WriterStopped);
        self.send(match self.shared.state.load(Ordering::Acquire) {
            SENT => self.unknown(stopped),
            _ => Err(NotStored::Unavailable(stopped)),
        });
    }
}

impl OrderWaiter {
    /// The outcome, and whether an earlier attempt was in doubt.
    ///
    /// # Errors
    /// [`NotStored`] for no fault of the order; at the deadline [`NotStored::Unavailable`] or
    /// [`NotStored::Unknown`].
    pub(crate) async fn outcome(self) -> Result<(Written, bool), NotStored> {
        let late = || -> Cause { Arc::new(DeadlinePassed) };
        match timeout_at(self.deadline, self.outcome).await {
            Ok(Ok((outcome, in_doubt))) => Ok((outcome?, in_doubt)),
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
        let outcome = queued.unknown(cause.clone());
        queued.answer(outcome);
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
