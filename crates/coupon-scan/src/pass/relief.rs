//! What goes when the arena is full.
//!
//! 1. *Drop*: the codes of a group of which no other file has shown any so far are not kept; from then on its lines are
//!    only counted. Should another file show codes of that kind later, this one file is read again. That costs time if it
//!    happens, and saves memory and disk if it does not: so a good part of all files must have been read.
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

/// So much of every file must have been read before it is believed that the rest is like it.
const CLEAR: f64 = 0.25;

impl Pass<'_> {
    /// Makes room; answers whether there was anything to do. No thread may have a file.
    pub(super) fn relieve(&self, yard: &mut Yard) -> Result<bool, ScanError> {
        let held: u64 = groups(yard).map(|group| group.held).sum();
        if held == 0 {
            return Ok(false);
        }
        let droppable = self.droppable(yard);
        if let Some(group) = droppable.first()
            && is_clear(yard)
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

    /// Groups that may be dropped, the largest first. Never the last one: files that have codes in common have a kind in
    /// common.
    fn droppable(&self, yard: &Yard) -> Vec<Held> {
        let kinds = |file: &ScannedFile| {
            file.groups
                .iter()
                .filter(|group| group.met > 0 && !group.dropped)
                .count()
        };
        if !self.may_drop || yard.files().map(|(_, file)| kinds(file)).sum::<usize>() < 2 {
            return Vec::new();
        }
        let is_alone = |candidate: &Held| {
            yard.files()
                .all(|(number, file)| number == candidate.number || file.groups.of(candidate.kind).met == 0)
        };
        let mut droppable: Vec<Held> = groups(yard)
            .filter(|group| group.held > 0 && group.repeatable && is_alone(group))
            .collect();
        droppable.sort_by_key(|group| std::cmp::Reverse(group.held));
        droppable
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

/// Whether enough has been read to judge by. What has no known size is never judged.
fn is_clear(yard: &Yard) -> bool {
    yard.files()
        .all(|(_, file)| file.fraction().is_some_and(|fraction| fraction >= CLEAR))
}

/// What a group holds in memory.
#[derive(Clone, Copy, Debug)]
struct Held {
    number: usize,
    kind: Kind,
    held: u64,
    /// Its file can be read again.
    repeatable: bool,
}

fn groups(yard: &Yard) -> impl Iterator<Item = Held> {
    yard.files().flat_map(|(number, file)| {
        Kind::ALL.map(|kind| Held {
            number,
            kind,
            held: file.groups.of(kind).store.held(),
            repeatable: file.repeatable,
        })
    })
}
