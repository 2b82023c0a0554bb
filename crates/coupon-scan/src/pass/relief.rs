//! What goes when the arena is full.
//!
//! 1. *Drop*: the codes of a group of which no other file has shown any so far are not kept; from then on its lines are
//!    only counted. Should another file show codes of that kind later, this one file is read again. That costs time if it
//!    happens, and saves the disk if it does not: so groups are dropped if what then remains is likely to fit.
//! 2. *Spill*: codes are written to disk, the largest groups first.
//! 3. If the disk has no room: drop whatever can be dropped, then *keep fewer*: only codes of some partitions stay, and
//!    the files are read again for the others.

use std::ops::Range;

use super::Pass;
use super::file::ScannedFile;
use super::yard::Yard;
use crate::ScanError;
use crate::kind::Kind;
use crate::memory::Plan;
use crate::store::{Shape, Wanted};

/// Partitions that a pass keeps, in units: see [`Plan::units`](crate::memory::Plan::units).
pub(crate) type Units = Range<usize>;

/// Of what fits by prediction, this much should.
const MARGIN: f64 = 0.98;
/// So much of every file must have been read before it is believed that the rest is like it.
const CLEAR: f64 = 1.0 / 8.0;

impl Pass<'_> {
    /// Makes room; answers whether there was anything to do. No thread may have a file.
    pub(super) fn relieve(&self, yard: &mut Yard) -> Result<bool, ScanError> {
        let held: u64 = groups(yard).map(|group| group.held).sum();
        if held == 0 {
            return Ok(false);
        }
        let droppable = self.droppable(yard);
        if let Some(group) = droppable.first()
            && self.will_fit_without(yard, &droppable)
        {
            self.drop_group(yard, *group);
            return Ok(true);
        }
        if self.disk.is_usable() {
            self.spill(yard, held);
            return Ok(true);
        }
        if let Some(group) = droppable.first() {
            self.drop_group(yard, *group);
            return Ok(true);
        }
        self.keep_fewer(yard)?;
        Ok(true)
    }

    /// Groups that may be dropped, the largest first.
    fn droppable(&self, yard: &Yard) -> Vec<Held> {
        if !self.may_drop {
            return Vec::new();
        }
        let is_alone = |candidate: &Held| {
            yard.files()
                .all(|(number, file)| number == candidate.number || file.groups.of(candidate.kind).met == 0)
        };
        let repeatable = |candidate: &Held| {
            yard.files()
                .any(|(number, file)| number == candidate.number && file.repeatable)
        };
        let mut droppable: Vec<Held> = groups(yard)
            .filter(|group| group.held > 0 && repeatable(group) && is_alone(group))
            .collect();
        droppable.sort_by_key(|group| std::cmp::Reverse(group.held));
        droppable
    }

    /// Whether all codes are likely to fit in memory if some of these groups are dropped, the first ones first. One must
    /// remain, or some other that cannot be dropped: files that have codes in common have a kind in common.
    fn will_fit_without(&self, yard: &Yard, droppable: &[Held]) -> bool {
        let fractions: Option<Vec<f64>> = yard.files().map(|(_, file)| file.fraction()).collect();
        let is_clear = |fractions: Vec<f64>| fractions.into_iter().all(|fraction| fraction >= CLEAR);
        let on_disk = |file: &ScannedFile| file.groups.iter().any(|group| group.store.is_on_disk());
        if !fractions.is_some_and(is_clear) || yard.files().any(|(_, file)| on_disk(file)) {
            return false;
        }
        let kinds = |file: &ScannedFile| file.groups.iter().filter(|group| group.met > 0).count();
        let all: usize = yard.files().map(|(_, file)| kinds(file)).sum();
        let most = droppable.len().min(all.saturating_sub(1));
        let expected = |group: &Held| group.held as f64 / group.fraction.unwrap_or(1.0);
        let mut remains: f64 = groups(yard).map(|group| expected(&group)).sum();
        droppable.iter().take(most).any(|group| {
            remains -= expected(group);
            remains < self.reading.arena.limit() as f64 * MARGIN
        })
    }

    fn drop_group(&self, yard: &mut Yard, group: Held) {
        for (_, file) in yard.files_mut().filter(|(number, _)| *number == group.number) {
            file.clear(group.kind, self.reading.arena);
            let group = file.groups.of_mut(group.kind);
            group.wanted = Wanted::Nothing;
            group.dropped = true;
        }
    }

    /// The largest groups that come to nine tenths of all: small ones make small extents, which are slow to read.
    fn spill(&self, yard: &mut Yard, held: u64) {
        let mut groups: Vec<Held> = groups(yard).filter(|group| group.held > 0).collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.held));
        let mut spilled = 0;
        for group in groups {
            if spilled >= held / 10 * 9 {
                break;
            }
            spilled += group.held;
            yard.spill(group.number, group.kind);
        }
    }

    fn keep_fewer(&self, yard: &mut Yard) -> Result<(), ScanError> {
        let kept = yard.units.len();
        if kept < 2 || yard.files().any(|(_, file)| !file.repeatable) {
            return Err(self.disk.error(None));
        }
        yard.units.end = yard.units.start + kept / 2;
        let units = yard.units.clone();
        for kind in Kind::ALL {
            let partitions = partitions(&units, self.shapes.of(kind), self.reading.plan);
            for (_, file) in yard.files_mut() {
                let group = file.groups.of_mut(kind);
                group.store.keep(partitions.clone(), self.reading.arena);
                group.wanted.restrict(partitions.clone());
            }
        }
        Ok(())
    }
}

/// The partitions of a kind that are these units.
pub(crate) fn partitions(units: &Units, shape: &Shape, plan: &Plan) -> Range<usize> {
    let times = shape.partitions / plan.units();
    units.start * times..units.end * times
}

/// What a group holds in memory.
#[derive(Clone, Copy, Debug)]
struct Held {
    number: usize,
    kind: Kind,
    held: u64,
    /// How much of its file was read.
    fraction: Option<f64>,
}

fn groups(yard: &Yard) -> impl Iterator<Item = Held> {
    yard.files()
        .flat_map(|(number, file)| Kind::ALL.map(|kind| held(number, file, kind)))
}

fn held(number: usize, file: &ScannedFile, kind: Kind) -> Held {
    Held {
        number,
        kind,
        held: file.groups.of(kind).store.held(),
        fraction: file.fraction(),
    }
}
