//! Escrow: the uses of a limited promotion, divided among cells and moved between them in two
//! idempotent steps, first taken back, then given.
//!
//! Each step is one transaction of one cell. A use that was taken back belongs to nobody until it
//! is given, so that a lost message makes uses unavailable for a while and never doubles them.

use std::collections::{BTreeMap, BTreeSet};

/// Names a transfer for good.
pub type TransferId = u64;

/// A cell, and how often it was restored from a backup. A committed transaction of the same
/// incarnation is never lost: COMMIT waits for a synchronous standby.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incarnation {
    /// The number of the cell.
    pub cell: usize,
    /// A number that no earlier incarnation had, such as the time of the restore.
    pub epoch: u64,
}

/// Asks a cell to take back up to so many of its unused uses.
#[derive(Clone, Copy, Debug)]
pub struct Take {
    /// The transfer.
    pub id: TransferId,
    /// The cell that is asked.
    pub from: Incarnation,
    /// The cell that will be given them.
    pub to: Incarnation,
    /// At most so many.
    pub wanted: u64,
}

/// Gives what was taken back.
#[derive(Clone, Copy, Debug)]
pub struct Give {
    /// The transfer.
    pub id: TransferId,
    /// The cell that took them back, and is told that they have arrived.
    pub from: usize,
    /// The cell that is given them.
    pub to: Incarnation,
    /// So many.
    pub uses: u64,
}

/// The rows of a cell about one promotion.
#[derive(Clone, Debug)]
pub struct Escrow {
    /// The cell.
    pub own: Incarnation,
    granted: u64,
    used: u64,
    taken: BTreeMap<TransferId, Give>,
    arrived: BTreeSet<TransferId>,
    given: BTreeSet<TransferId>,
}

impl Escrow {
    /// A cell with its first share; the shares of all cells add up to the limit of the promotion.
    pub fn new(cell: usize, share: u64) -> Escrow {
        Escrow {
            own: Incarnation { cell, epoch: 0 },
            granted: share,
            used: 0,
            taken: BTreeMap::new(),
            arrived: BTreeSet::new(),
            given: BTreeSet::new(),
        }
    }

    /// Uses that orders of this cell may still take.
    pub fn unused(&self) -> u64 {
        self.granted - self.used
    }

    /// Counts a use for an order; false: used up here.
    pub fn redeem(&mut self) -> bool {
        let is_left = self.unused() > 0;
        self.used += u64::from(is_left);
        is_left
    }

    /// The first step. Repeated, it answers the same and takes nothing more; `None`: it is meant
    /// for an incarnation that is no more.
    pub fn take_back(&mut self, take: &Take) -> Option<Give> {
        if take.from != self.own {
            return None;
        }
        let uses = take.wanted.min(self.unused());
        Some(*self.taken.entry(take.id).or_insert_with(|| {
            self.granted -= uses;
            Give {
                id: take.id,
                from: take.from.cell,
                to: take.to,
                uses,
            }
        }))
    }

    /// The second step. Repeated, or meant for an incarnation that is no more, it changes nothing.
    pub fn give(&mut self, give: &Give) {
        if give.to == self.own && self.given.insert(give.id) {
            self.granted += give.uses;
        }
    }

    /// The other cell has it: it need not be sent again.
    pub fn arrived(&mut self, id: TransferId) {
        self.arrived.insert(id);
    }

    /// What was taken back and may not have been given: to be sent again.
    pub fn owed(&self) -> impl Iterator<Item = Give> {
        let open = |give: &&Give| !self.arrived.contains(&give.id);
        self.taken.values().filter(open).copied()
    }

    /// The cell after a restore from a backup. How many uses were redeemed, taken back and given
    /// since then is not known: none of its share is left, and what is under way to the former
    /// incarnation is lost.
    #[must_use]
    pub fn restored(mut self, epoch: u64) -> Escrow {
        self.granted = self.used;
        self.own.epoch = epoch;
        self
    }
}
