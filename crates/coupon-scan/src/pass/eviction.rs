//! Eviction: frees memory when the arena is full.
//!
//! 1. *Drop*: the codes of a group of which no other file has shown any so far are not kept; from
//!    then on its lines are only counted. Should another file show codes of that kind later, this
//!    one file is read again. That costs time if it happens, and saves memory and disk if it does
//!    not: so a good part of all files must have been read.
//! 2. *Spill*: codes are written to disk, the largest groups first.
//! 3. If the disk has no room: drop whatever can be dropped, then *keep fewer*: only codes of some
//!    partitions stay, and the files are read again for the others.

use std::ops::Range;

use super::Pass;
use super::file::ScannedFile;
use super::scheduler::Scheduler;
use crate::ScanError;
use crate::kind::Kind;
use crate::memory::Plan;
use crate::store::{CodeLayout, PartitionFilter};

/// The coarse partitions that a pass keeps: see
/// [`Plan::coarse_partitions`](crate::memory::Plan::coarse_partitions).
pub(crate) type PartitionRange = Range<usize>;

/// So much of every file must have been read before it is believed that the rest is like it.
const MIN_FRACTION: f64 = 0.25;

impl Pass<'_> {
    /// Makes room; answers whether there was anything to do. No thread may have a file.
    pub(super) fn evict(&self, scheduler: &mut Scheduler) -> Result<bool, ScanError> {
        let held: u64 = groups(scheduler).map(|group| group.held).sum();
        if held == 0 {
            return Ok(false);
        }
        let disk = self.disk.is_usable();
        match self.droppable(scheduler).first() {
            Some(group) if !disk || is_representative(scheduler) => self.drop_group(scheduler, *group),
            _ if disk => self.spill(scheduler, held),
            _ => self.narrow(scheduler)?,
        }
        Ok(true)
    }

    /// Groups that may be dropped, the largest first. Never the last one: files that have codes in
    /// common have a kind in common.
    fn droppable(&self, scheduler: &Scheduler) -> Vec<GroupUsage> {
        let kinds = |file: &ScannedFile| {
            file.groups
                .iter()
                .filter(|group| group.met > 0 && !group.dropped)
                .count()
        };
        if !self.may_drop || scheduler.files().map(|(_, file)| kinds(file)).sum::<usize>() < 2 {
            return Vec::new();
        }
        let is_alone = |candidate: &GroupUsage| {
            scheduler
                .files()
                .all(|(number, file)| number == candidate.number || file.groups.of(candidate.kind).met == 0)
        };
        let mut droppable: Vec<GroupUsage> = groups(scheduler)
            .filter(|group| group.held > 0 && group.repeatable && is_alone(group))
            .collect();
        droppable.sort_by_key(|group| std::cmp::Reverse(group.held));
        droppable
    }

    fn drop_group(&self, scheduler: &mut Scheduler, group: GroupUsage) {
        for (_, file) in scheduler
            .files_mut()
            .filter(|(number, _)| *number == group.number)
        {
            file.clear(group.kind, self.reading.arena);
            let group = file.groups.of_mut(group.kind);
            group.filter = PartitionFilter::Nothing;
            group.dropped = true;
        }
    }

    /// The largest groups that come to nine tenths of all: small ones make small extents, which are
    /// slow to read.
    fn spill(&self, scheduler: &mut Scheduler, held: u64) {
        let mut groups: Vec<GroupUsage> = groups(scheduler).filter(|group| group.held > 0).collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.held));
        let mut spilled = 0;
        for group in groups {
            if spilled >= held / 10 * 9 {
                break;
            }
            spilled += group.held;
            scheduler.spill(group.number, group.kind);
        }
    }

    fn narrow(&self, scheduler: &mut Scheduler) -> Result<(), ScanError> {
        let kept = scheduler.range.len();
        if kept < 2 || scheduler.files().any(|(_, file)| !file.repeatable) {
            return Err(self.disk.error(None));
        }
        scheduler.range.end = scheduler.range.start + kept / 2;
        let range = scheduler.range.clone();
        for kind in Kind::ALL {
            let partitions = partitions(&range, self.layouts.of(kind), self.reading.plan);
            for (_, file) in scheduler.files_mut() {
                let group = file.groups.of_mut(kind);
                group.store.keep(partitions.clone(), self.reading.arena);
                group.filter.restrict(partitions.clone());
            }
        }
        Ok(())
    }
}

/// The partitions of a kind that lie in a range of coarse partitions.
pub(crate) fn partitions(range: &PartitionRange, layout: &CodeLayout, plan: &Plan) -> Range<usize> {
    let times = layout.partitions / plan.coarse_partitions();
    range.start * times..range.end * times
}

/// Whether enough has been read to judge by. What has no known size is never judged.
fn is_representative(scheduler: &Scheduler) -> bool {
    scheduler
        .files()
        .all(|(_, file)| file.fraction().is_some_and(|fraction| fraction >= MIN_FRACTION))
}

/// The memory of a group.
#[derive(Clone, Copy, Debug)]
struct GroupUsage {
    number: usize,
    kind: Kind,
    held: u64,
    /// Its file can be read again.
    repeatable: bool,
}

fn groups(scheduler: &Scheduler) -> impl Iterator<Item = GroupUsage> {
    scheduler.files().flat_map(|(number, file)| {
        Kind::ALL.map(|kind| GroupUsage {
            number,
            kind,
            held: file.groups.of(kind).store.held,
            repeatable: file.repeatable,
        })
    })
}
