//! What a file was found to hold of one kind of code: runs in memory, extents on disk.

mod batch;
mod disk;
mod run;
mod window;

use std::ops::Range;

pub(crate) use batch::{CodeLayout, PackedBatch, PartitionFilter, TextBatch, records};
pub(crate) use disk::{Disk, Extent};
pub(crate) use run::Run;
pub(crate) use window::Window;

use crate::memory::Arena;

/// A set of partitions.
pub(crate) type PartitionSet = fixedbitset::FixedBitSet;

/// Runs that are packed anew at a time: the arena must lend the room for half as many.
const REPACKED: usize = 8;

/// The codes of one kind in one file, by partition, in no order.
#[derive(Default)]
pub(crate) struct Store {
    pub(crate) runs: Vec<Run>,
    pub(crate) extents: Vec<Extent>,
    /// Partitions in which there may be codes.
    pub(crate) occupied: PartitionSet,
    /// Bytes of memory that [`Store::clear`] or [`Disk::write`] would free.
    pub(crate) held: u64,
}

impl Store {
    fn add(&mut self, run: Run) {
        self.held += run.bytes() as u64;
        self.runs.push(run);
    }

    /// Forgets all codes.
    pub(crate) fn clear(&mut self, arena: &Arena) {
        for run in self.runs.drain(..) {
            run.release(arena);
        }
        for extent in self.extents.drain(..) {
            arena.discharge(extent.index_bytes());
        }
        self.occupied.clear();
        self.held = 0;
    }

    /// Forgets the codes in memory that are not of these partitions.
    pub(crate) fn keep(&mut self, partitions: Range<usize>, arena: &Arena) {
        let mut runs = std::mem::take(&mut self.runs).into_iter();
        self.held = 0;
        loop {
            let few: Vec<Run> = runs.by_ref().take(REPACKED).collect();
            if few.is_empty() {
                break;
            }
            for run in run::repack(&few, partitions.clone(), arena) {
                self.add(run);
            }
            few.into_iter().for_each(|run| run.release(arena));
        }
    }
}
