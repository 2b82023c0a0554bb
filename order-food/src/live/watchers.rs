//! Those who wait for changes of single orders, and the changes that they have not seen.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use uuid::Uuid;

use super::Live;
use super::change::Change;

/// The orders that someone waits for.
#[derive(Default)]
pub(super) struct Watchers {
    orders: Mutex<HashMap<Uuid, Watched>>,
    /// Hints may have been missed: every order is read again.
    missed: AtomicBool,
    wake: Notify,
}

struct Watched {
    /// The newest version that was read; 1, placed, is not stored.
    read: i32,
    /// The newest version of a hint that was not read for yet; 0: none.
    hinted: i32,
    changes: watch::Sender<VecDeque<Change>>,
}

/// Waits for the changes of one order.
pub(crate) struct Watch {
    live: Live,
    order: Uuid,
    changes: watch::Receiver<VecDeque<Change>>,
}

/// The changes of an order that are kept for those who take them slowly; the oldest go first.
const KEPT: usize = 256;

impl Watchers {
    /// The order has this version by now.
    pub(super) fn hint(&self, order: Uuid, version: i32) {
        if let Some(watched) = self.orders().get_mut(&order)
            && version > watched.read.max(watched.hinted)
        {
            watched.hinted = version;
            self.wake.notify_one();
        }
    }

    /// Hints may have been missed.
    pub(super) fn missed(&self) {
        self.missed.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Waits until something is to be read.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// The orders to be read, with the versions after which: those with hints, or all.
    pub(super) fn due(&self, all: bool) -> Vec<(Uuid, i32)> {
        let all = self.missed.swap(false, Ordering::AcqRel) || all;
        let mut orders = self.orders();
        let due = orders.iter_mut().filter(|(_, watched)| all || watched.hinted > 0);
        due.map(|(order, watched)| {
            watched.hinted = 0;
            (*order, watched.read)
        })
        .collect()
    }

    /// Gives these changes, oldest first, to those who wait for them.
    pub(super) fn publish(&self, changes: impl IntoIterator<Item = Change>) {
        let mut orders = self.orders();
        for change in changes {
            let Some(watched) = orders.get_mut(&change.order_id) else {
                continue;
            };
            if change.version > watched.read {
                watched.read = change.version;
                watched.changes.send_modify(|changes| {
                    changes.truncate(KEPT - 1);
                    changes.push_front(change);
                });
            }
        }
    }

    fn orders(&self) -> MutexGuard<'_, HashMap<Uuid, Watched>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    pub(super) fn new(live: Live, order: Uuid) -> Watch {
        let changes = {
            let mut orders = live.0.watchers.orders();
            let watched = orders.entry(order).or_insert_with(|| Watched {
                read: 1,
                hinted: 0,
                changes: watch::Sender::default(),
            });
            watched.changes.subscribe()
        };
        Watch { live, order, changes }
    }

    /// Has the changes up to `version` read, unless they were.
    pub(crate) fn catch_up(&self, version: i32) {
        self.live.0.watchers.hint(self.order, version);
    }

    /// Waits for the first change with a version above `version`.
    pub(crate) async fn after(&mut self, version: i32) -> Change {
        loop {
            let newest_first = self.changes.borrow_and_update();
            let next = newest_first
                .iter()
                .take_while(|change| change.version > version)
                .last()
                .cloned();
            drop(newest_first);
            if let Some(change) = next {
                return change;
            }
            // The sender is kept as long as this is.
            if self.changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut orders = self.live.0.watchers.orders();
        let last = |watched: &Watched| watched.changes.receiver_count() <= 1;
        if orders.get(&self.order).is_some_and(last) {
            orders.remove(&self.order);
        }
    }
}
