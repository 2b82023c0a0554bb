//! Changes of orders, made known to everyone who waits, on whichever replica they were made.
//!
//! ```text
//! COMMIT ─▶ placed(), changed() ─▶ send ─▶ NOTIFY ─▶ follow ─▶ watchers ─▶ streams
//! ```
//!
//! A hint carries ids and versions only; what is shown is always read. `follow` reads without a
//! hint, too, every 10 s, so that everything is right, though late, when nothing can be notified.
//! A transaction that stores orders or changes never notifies: it would hold the lock that orders
//! notifications during its COMMIT.
//!
//! `hint` is the payload · `change` what is read · `send` notifies · `follow` listens and reads ·
//! `watchers` are those who wait, and what they wait for · `stream` is the answer with server-sent
//! events.

mod change;
mod follow;
mod hint;
mod send;
mod stream;
mod watchers;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use uuid::Uuid;

pub(crate) use change::Change;
use hint::Hint;
pub(crate) use stream::{EVENT_STREAM, EventStreams, Stream};
pub(crate) use watchers::Watch;
use watchers::Watchers;

/// Those who change orders and those who wait for it. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Live(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Orders were placed that no hint was sent for.
    placed: AtomicBool,
    placed_wake: Notify,
    changed: Mutex<Vec<(Uuid, i32)>>,
    changed_wake: Notify,
    watchers: Watchers,
    /// Counts hints.
    board: watch::Sender<u64>,
}

impl Live {
    /// Orders were stored; to be called after COMMIT. Costs a read of memory that is rarely
    /// written.
    pub(crate) fn placed(&self) {
        if !self.0.placed.load(Ordering::Acquire) && !self.0.placed.swap(true, Ordering::AcqRel) {
            self.0.placed_wake.notify_one();
        }
    }

    /// These orders have these versions; to be called after COMMIT.
    pub(crate) fn changed(&self, changes: impl IntoIterator<Item = (Uuid, i32)>) {
        let mut changed = self.0.changed();
        for (order, version) in changes {
            changed.push((order, version));
            self.0.take(Hint::Changed { order, version });
        }
        self.0.changed_wake.notify_one();
    }

    /// The changes of an order, from now on and before.
    pub(crate) fn watch(&self, order: Uuid) -> Watch {
        Watch::new(self.clone(), order)
    }

    /// Changes whenever an order was placed or changed, here or elsewhere, merged. A board reads
    /// again then, and every 15 s without.
    pub(crate) fn board(&self) -> watch::Receiver<u64> {
        self.0.board.subscribe()
    }
}

impl Inner {
    /// A hint has come, from here or elsewhere.
    fn take(&self, hint: Hint) {
        if let Hint::Changed { order, version } = hint {
            self.watchers.hint(order, version);
        }
        self.board.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn changed(&self) -> MutexGuard<'_, Vec<(Uuid, i32)>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
