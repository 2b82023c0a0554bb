//! Batches of codes that are sorted by partition into runs.

use std::ops::Range;

use super::run::{Run, RunBuilder};
use super::{PartitionSet, Store};
use crate::kind::Kind;
use crate::lines::MAX_BYTES;
use crate::memory::{Arena, Plan};
use crate::permutation::{Permutation, Seed};

/// Which partitions' codes are kept.
#[derive(Clone, Debug, Default)]
pub(crate) enum PartitionFilter {
    #[default]
    Nothing,
    Everything,
    These(PartitionSet),
}

impl PartitionFilter {
    fn contains(&self, partition: usize) -> bool {
        match self {
            PartitionFilter::Nothing => false,
            PartitionFilter::Everything => true,
            PartitionFilter::These(partitions) => partitions.contains(partition),
        }
    }

    /// Keeps these partitions only, as far as they were kept.
    pub(crate) fn restrict(&mut self, partitions: Range<usize>) {
        let range: PartitionSet = partitions.collect();
        match self {
            PartitionFilter::Nothing => (),
            PartitionFilter::Everything => *self = PartitionFilter::These(range),
            PartitionFilter::These(kept) => kept.intersect_with(&range),
        }
    }
}

/// The stored form of the codes of a kind.
///
/// A packed code is scrambled; its highest bits are its partition, the others, in whole bytes, are
/// what is stored of it. Of a text all bytes are stored after their number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CodeLayout {
    permutation: Permutation,
    /// Bits that are stored.
    pub(crate) rest_bits: u32,
    pub(crate) partitions: usize,
    /// Bytes that are stored; 1 for texts.
    pub(crate) width: usize,
}

impl CodeLayout {
    pub(crate) fn new(kind: Kind, plan: &Plan, seed: &Seed) -> CodeLayout {
        let rest_bits = kind.bits() - plan.partition_bits.of(kind);
        CodeLayout {
            permutation: Permutation::new(kind.bits(), seed),
            rest_bits,
            partitions: 1 << plan.partition_bits.of(kind),
            width: match kind {
                Kind::Other => 1,
                _ => rest_bits.div_ceil(8) as usize,
            },
        }
    }

    /// The code of which `rest` was stored in this partition.
    pub(crate) fn code(&self, partition: usize, rest: u64) -> u64 {
        self.permutation
            .invert((partition as u64) << self.rest_bits | rest)
    }
}

/// Codes that are scrambled at a time: few enough to stay in the fastest cache.
const FRESH: usize = 1024;

/// Packed codes that wait until there are enough of them to be sorted into a run.
pub(crate) struct PackedBatch {
    layout: CodeLayout,
    /// As they came.
    fresh: Vec<u64>,
    /// Scrambled.
    codes: Vec<u64>,
    /// Codes that fill a slab.
    capacity: usize,
    /// Codes of each partition.
    counts: Vec<u32>,
}

impl PackedBatch {
    pub(crate) fn new(layout: CodeLayout, arena: &Arena) -> PackedBatch {
        PackedBatch {
            layout,
            fresh: Vec::new(),
            codes: Vec::new(),
            capacity: (arena.slab() - Run::index_bytes(layout.partitions)) / layout.width,
            counts: Vec::new(),
        }
    }

    /// Takes a code; answers whether it is time to [`scramble`](PackedBatch::scramble).
    #[inline]
    pub(crate) fn push(&mut self, code: u64) -> bool {
        self.fresh.push(code);
        self.fresh.len() >= FRESH.min(self.capacity)
    }

    /// Scrambles what came and keeps the codes of `filter`.
    pub(crate) fn scramble(&mut self, store: &mut Store, arena: &Arena, filter: &PartitionFilter) {
        self.counts.resize(self.layout.partitions, 0);
        let fresh = std::mem::take(&mut self.fresh);
        let mut rest = fresh.as_slice();
        while !rest.is_empty() {
            if self.codes.len() == self.capacity {
                self.sort(arena.slab(), store, arena);
            }
            let now;
            (now, rest) = rest.split_at(rest.len().min(self.capacity - self.codes.len()));
            let CodeLayout {
                permutation,
                rest_bits,
                ..
            } = self.layout;
            let scrambled = now.iter().map(|code| permutation.apply(*code));
            let from = self.codes.len();
            match filter {
                PartitionFilter::Nothing => (),
                PartitionFilter::Everything => self.codes.extend(scrambled),
                PartitionFilter::These(filter) => self
                    .codes
                    .extend(scrambled.filter(|scrambled| filter.contains((scrambled >> rest_bits) as usize))),
            }
            for scrambled in self.codes.iter().skip(from) {
                if let Some(count) = self.counts.get_mut((scrambled >> rest_bits) as usize) {
                    *count += 1;
                }
            }
        }
        self.fresh = fresh;
        self.fresh.clear();
    }

    /// At the end of a file: what is left becomes a run of just its size, and the batch gives up
    /// its memory.
    pub(crate) fn finish(&mut self, store: &mut Store, arena: &Arena, filter: &PartitionFilter) {
        self.scramble(store, arena, filter);
        if !self.codes.is_empty() {
            let bytes = Run::index_bytes(self.layout.partitions) + self.codes.len() * self.layout.width;
            self.sort(bytes, store, arena);
        }
        self.clear();
    }

    pub(crate) fn clear(&mut self) {
        self.fresh = Vec::new();
        self.codes = Vec::new();
        self.counts = Vec::new();
    }

    fn sort(&mut self, bytes: usize, store: &mut Store, arena: &Arena) {
        mark_occupied(store, &self.counts);
        let CodeLayout { rest_bits, width, .. } = self.layout;
        let mut builder = RunBuilder::new(arena.take(bytes), &mut self.counts, width);
        match width {
            4 => builder.fill::<4>(rests(&self.codes, rest_bits)),
            5 => builder.fill::<5>(rests(&self.codes, rest_bits)),
            _ => builder.fill::<6>(rests(&self.codes, rest_bits)),
        }
        store.add(builder.finish());
        self.codes.clear();
    }
}

/// The partition of each scrambled code, and what is stored of it.
fn rests<const WIDTH: usize>(codes: &[u64], rest_bits: u32) -> impl Iterator<Item = (usize, [u8; WIDTH])> {
    codes.iter().map(move |scrambled| {
        let rest = scrambled & ((1 << rest_bits) - 1);
        let mut bytes = [0; WIDTH];
        for (to, from) in bytes.iter_mut().zip(rest.to_le_bytes()) {
            *to = from;
        }
        ((scrambled >> rest_bits) as usize, bytes)
    })
}

fn mark_occupied(store: &mut Store, counts: &[u32]) {
    for (partition, count) in counts.iter().enumerate() {
        if *count > 0 {
            store.occupied.grow_and_insert(partition);
        }
    }
}

/// Codes of any characters that wait until there are enough of them to be sorted into a run.
pub(crate) struct TextBatch {
    seed: Seed,
    layout: CodeLayout,
    /// Each text after its length in one byte.
    texts: Vec<u8>,
    /// The partition of each text.
    partitions: Vec<u16>,
    /// Bytes that fill a slab.
    capacity: usize,
    /// Bytes of each partition.
    sizes: Vec<u32>,
}

impl TextBatch {
    pub(crate) fn new(layout: CodeLayout, seed: &Seed, arena: &Arena) -> TextBatch {
        TextBatch {
            seed: seed.clone(),
            layout,
            texts: Vec::new(),
            partitions: Vec::new(),
            capacity: arena.slab() - Run::index_bytes(layout.partitions),
            sizes: Vec::new(),
        }
    }

    /// Takes a text of at most [`MAX_BYTES`] if `filter` keeps it.
    pub(crate) fn push(&mut self, text: &[u8], store: &mut Store, arena: &Arena, filter: &PartitionFilter) {
        let partition = (self.seed.hash(text) >> self.layout.rest_bits) as usize;
        if !filter.contains(partition) {
            return;
        }
        if self.sizes.is_empty() {
            self.sizes = vec![0; self.layout.partitions];
        }
        if self.texts.len() + 1 + MAX_BYTES > self.capacity {
            self.sort(arena.slab(), store, arena);
        }
        if let Some(size) = self.sizes.get_mut(partition) {
            *size += 1 + text.len() as u32;
            self.partitions.push(partition as u16);
            self.texts.push(text.len() as u8);
            self.texts.extend_from_slice(text);
        }
    }

    /// As [`PackedBatch::finish`].
    pub(crate) fn finish(&mut self, store: &mut Store, arena: &Arena) {
        if !self.texts.is_empty() {
            self.sort(
                Run::index_bytes(self.layout.partitions) + self.texts.len(),
                store,
                arena,
            );
        }
        self.clear();
    }

    pub(crate) fn clear(&mut self) {
        self.texts = Vec::new();
        self.partitions = Vec::new();
        self.sizes = Vec::new();
    }

    fn sort(&mut self, bytes: usize, store: &mut Store, arena: &Arena) {
        mark_occupied(store, &self.sizes);
        let mut builder = RunBuilder::new(arena.take(bytes), &mut self.sizes, 1);
        for (record, partition) in records(&self.texts).zip(&self.partitions) {
            builder.put(usize::from(*partition), record);
        }
        store.add(builder.finish());
        self.texts.clear();
        self.partitions.clear();
    }
}

/// Texts with the byte before them that tells their length; what is cut off is left out.
pub(crate) fn records(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = 1 + usize::from(*bytes.first()?);
        let (record, rest) = bytes.split_at_checked(length)?;
        bytes = rest;
        Some(record)
    })
}
