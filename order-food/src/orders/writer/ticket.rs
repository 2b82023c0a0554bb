//! An order on its way through the writer, and the one who waits for it.
//!
//! Who waits may give up at the deadline; whether the order can be on disk by then is decided by one atomic state:
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

use super::{Stopped, TooLate};
use crate::orders::idempotency::Turn;
use crate::orders::{Cause, NewOrder, NotStored, Unredeemable};

/// How the writer's work on an order ended.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
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

/// What an answer to the order depends on.
pub(super) enum Found {
    Stored,
    Unredeemable(Unredeemable),
    KeyTaken,
}

/// The writer's side of an order. Dropped without a verdict, it answers what is true then.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) ticket: Arc<Ticket>,
    pub(super) deadline: Instant,
    /// An earlier attempt may have stored it: the outcome of a later one decides.
    pub(super) in_doubt: bool,
    reply: Option<oneshot::Sender<(Verdict, bool)>>,
    turn: Option<Turn>,
}

/// The caller's side.
pub(super) struct Waiting {
    ticket: Arc<Ticket>,
    deadline: Instant,
    verdict: oneshot::Receiver<(Verdict, bool)>,
}

/// What both sides hold. Who waits lets go of it last: the memory of an order is freed by the thread that took it, which is
/// cheaper than by the writer's.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) new: NewOrder,
    state: AtomicU8,
}

const WAITING: u8 = 0;
const SENT: u8 = 1;
const ABANDONED: u8 = 2;

/// Those of `batch` that may be sent now. An order that has less time left than a statement may take is refused: it would not
/// hear in time what became of it. One that is in doubt has nothing to lose.
pub(super) fn to_be_sent(batch: &mut Vec<Pending>, limit: Duration) -> Vec<Pending> {
    let latest = Instant::now() + limit;
    let mut sent = Vec::with_capacity(batch.len());
    for pending in batch.drain(..) {
        if !pending.in_doubt && pending.deadline < latest {
            pending.give_up(Arc::new(TooLate));
        } else if pending.begin() {
            sent.push(pending);
        }
    }
    sent
}

/// Both sides of an order.
pub(super) fn pair(new: NewOrder, deadline: Instant, turn: Option<Turn>) -> (Pending, Waiting) {
    let ticket = Arc::new(Ticket {
        new,
        state: AtomicU8::new(WAITING),
    });
    let (reply, verdict) = oneshot::channel();
    let waiting = Waiting {
        ticket: ticket.clone(),
        deadline,
        verdict,
    };
    let pending = Pending {
        ticket,
        deadline,
        in_doubt: false,
        reply: Some(reply),
        turn,
    };
    (pending, waiting)
}

impl Pending {
    /// Before it is sent to the database: false when nobody waits for it any more, and it must not be sent.
    fn begin(&self) -> bool {
        self.in_doubt || self.ticket.step(WAITING, SENT)
    }

    /// What was sent is certainly undone; it may be sent again.
    pub(super) fn undone(&self) {
        if !self.in_doubt {
            self.ticket.step(SENT, WAITING);
        }
    }

    /// Tells who waits, unless they have gone.
    pub(super) fn answer(mut self, verdict: Verdict) {
        self.send(verdict);
    }

    /// It is not stored, or, after an attempt in doubt, nobody knows.
    pub(super) fn give_up(self, cause: Cause) {
        let verdict = self.without_success(cause);
        self.answer(verdict);
    }

    fn without_success(&self, cause: Cause) -> Verdict {
        if self.in_doubt {
            Verdict::Unknown(cause)
        } else {
            Verdict::Unavailable(cause)
        }
    }

    fn send(&mut self, verdict: Verdict) {
        // Before the answer: who has it may repeat the request at once.
        self.turn = None;
        if let Some(reply) = self.reply.take() {
            let _ = reply.send((verdict, self.in_doubt));
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let verdict = if self.ticket.state.load(Ordering::Acquire) == SENT {
            Verdict::Unknown(Arc::new(Stopped))
        } else {
            Verdict::Unavailable(Arc::new(Stopped))
        };
        self.send(verdict);
    }
}

impl Verdict {
    /// What was found out about the order with this id.
    ///
    /// # Errors
    /// [`NotStored`] when it is not stored, or nobody knows, for no fault of the order's.
    pub(super) fn found(self, id: uuid::Uuid) -> Result<Found, NotStored> {
        match self {
            Verdict::Stored => Ok(Found::Stored),
            Verdict::Unredeemable(reason) => Ok(Found::Unredeemable(reason)),
            Verdict::KeyTaken => Ok(Found::KeyTaken),
            Verdict::Unavailable(cause) => Err(NotStored::Unavailable(cause)),
            Verdict::Refused(cause) => Err(NotStored::Refused(cause)),
            Verdict::Unknown(cause) => Err(NotStored::Unknown { id, cause }),
        }
    }
}

impl Waiting {
    /// The verdict, and whether an earlier attempt was in doubt.
    ///
    /// # Errors
    /// [`NotStored::Unavailable`] or [`NotStored::Unknown`], at the deadline.
    pub(super) async fn verdict(self) -> Result<(Verdict, bool), NotStored> {
        let late = || -> Cause { Arc::new(TooLate) };
        match timeout_at(self.deadline, self.verdict).await {
            Ok(Ok(verdict)) => Ok(verdict),
            _ if self.ticket.step(WAITING, ABANDONED) => Err(NotStored::Unavailable(late())),
            _ => Err(NotStored::Unknown {
                id: self.ticket.new.order.id,
                cause: late(),
            }),
        }
    }
}

impl Ticket {
    fn step(&self, from: u8, to: u8) -> bool {
        self.state
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}
