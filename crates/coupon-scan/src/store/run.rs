//! Runs: codes in memory, ordered by partition.

use std::ops::Range;

use crate::memory::Arena;

/// Bytes of a position in the index.
pub(super) const POSITION: usize = 4;

/// Some codes in memory, partition after partition. An index heads them: where each partition
/// begins, and where the last one ends.
pub(crate) struct Run(Box<[u8]>);

impl Run {
    /// Bytes of the index.
    pub(super) const fn index_bytes(partitions: usize) -> usize {
        (partitions + 1) * POSITION
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.len()
    }

    /// The codes of these partitions.
    pub(crate) fn part(&self, partitions: Range<usize>) -> &[u8] {
        let range = self.position(partitions.start)..self.position(partitions.end);
        self.0.get(range).unwrap_or_default()
    }

    pub(super) fn release(self, arena: &Arena) {
        arena.release(self.0);
    }

    fn position(&self, partition: usize) -> usize {
        let bytes = self.0.get(partition * POSITION..).and_then(<[u8]>::first_chunk);
        bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize)
    }
}

/// A run of which it is known how many codes each partition has.
pub(super) struct RunBuilder<'a> {
    memory: Box<[u8]>,
    head: usize,
    /// The numbers at first, then where the next code of each partition goes, in codes from the
    /// first one.
    positions: &'a mut [u32],
}

impl<'a> RunBuilder<'a> {
    /// `counts` are of codes of `width` bytes, and become zero in the end; `memory` must be large
    /// enough for them and the index.
    pub(super) fn new(mut memory: Box<[u8]>, counts: &'a mut [u32], width: usize) -> RunBuilder<'a> {
        let head = Run::index_bytes(counts.len());
        let mut next = 0;
        let (index, _) = memory.as_chunks_mut::<POSITION>();
        let byte = |position: u32| (head as u32 + position * width as u32).to_le_bytes();
        for (entry, count) in index.iter_mut().zip(counts.iter_mut()) {
            *entry = byte(next);
            next += std::mem::replace(count, next);
        }
        if let Some(end) = index.get_mut(counts.len()) {
            *end = byte(next);
        }
        RunBuilder {
            memory,
            head,
            positions: counts,
        }
    }

    /// Puts codes, of which each is told its partition, into their places.
    pub(super) fn fill<const WIDTH: usize>(&mut self, codes: impl Iterator<Item = (usize, [u8; WIDTH])>) {
        let memory = self.memory.get_mut(self.head..).unwrap_or_default();
        let (places, _) = memory.as_chunks_mut::<WIDTH>();
        for (partition, code) in codes {
            if let Some(position) = self.positions.get_mut(partition) {
                if let Some(place) = places.get_mut(*position as usize) {
                    *place = code;
                }
                *position += 1;
            }
        }
    }

    /// Puts codes of one partition, each byte of which counts as one, into their place.
    pub(super) fn put(&mut self, partition: usize, codes: &[u8]) {
        if let Some(position) = self.positions.get_mut(partition) {
            let from = self.head + *position as usize;
            *position += codes.len() as u32;
            if let Some(place) = self.memory.get_mut(from..from + codes.len()) {
                place.copy_from_slice(codes);
            }
        }
    }

    pub(super) fn finish(self) -> Run {
        self.positions.fill(0);
        Run(self.memory)
    }
}

/// The codes of some partitions of several runs, partition after partition.
pub(super) fn merged(runs: &[Run], partitions: Range<usize>) -> impl Iterator<Item = (usize, &[u8])> {
    partitions.flat_map(move |partition| {
        runs.iter()
            .map(move |run| (partition, run.part(partition..partition + 1)))
            .filter(|(_, codes)| !codes.is_empty())
    })
}

/// Runs of slabs that hold what stands in these partitions of `runs`, none of which is larger than
/// a slab.
pub(super) fn repack(runs: &[Run], partitions: Range<usize>, arena: &Arena) -> Vec<Run> {
    let mut packed = Vec::new();
    let mut sizes = Vec::new();
    let mut parts: Vec<(usize, &[u8])> = Vec::new();
    let mut bytes = 0;
    let count = runs
        .iter()
        .map(|run| run.position(0) / POSITION - 1)
        .max()
        .unwrap_or_default();
    let mut pack = |parts: &mut Vec<(usize, &[u8])>| {
        if parts.is_empty() {
            return;
        }
        sizes.resize(count, 0);
        for (partition, codes) in parts.iter() {
            if let Some(size) = sizes.get_mut(*partition) {
                *size += codes.len() as u32;
            }
        }
        let mut builder = RunBuilder::new(arena.take(arena.slab()), &mut sizes, 1);
        for (partition, codes) in parts.drain(..) {
            builder.put(partition, codes);
        }
        packed.push(builder.finish());
    };
    for part in merged(runs, partitions) {
        bytes += part.1.len();
        if Run::index_bytes(count) + bytes > arena.slab() {
            pack(&mut parts);
            bytes = part.1.len();
        }
        parts.push(part);
    }
    pack(&mut parts);
    packed
}
