//! The division of the working memory.

use crate::kind::{ByKind, Kind};
use crate::lines::MAX_BYTES;
use crate::source::READ_BUFFER;
use crate::{Options, memory};

/// Most bytes of text that a thread decompresses before it looks up.
const SLICE: usize = 1 << 20;
/// Most bytes of text at once.
const TEXT_BUFFER: usize = 128 << 10;
/// A decompressor's own memory, bytes, without a large window.
const DECOMPRESSOR: usize = 64 << 10;
/// Files that are read at a time by few threads: so many that it is soon known which kinds of codes
/// they have in common.
const ACTIVE: usize = 8;
const MIN_SLAB: usize = 1 << 10;
const MAX_SLAB: usize = 256 << 10;
/// Slabs that one slice may need: a slice fills two at most, and each of the four batches may be
/// about to overflow; one to spare.
const SLABS_A_SLICE: usize = 7;
/// Slabs that the four batches of a file may take: a batch holds a slab's codes in twice the space.
const SLABS_A_FILE: usize = 8;

/// How the memory of a scan is divided.
///
/// | for | bytes |
/// |---|---|
/// | each open file: read buffer, decompressor, four batches | 192 KiB + 8 slabs |
/// | each reading thread: text, slabs of one slice | 128 KiB + 7 slabs |
/// | the arena: codes | the rest |
///
/// A slab is 256 KiB, less when the first two lines would come to more than a quarter of the whole.
/// To join, the files' batches are given back, and tables and windows take their place.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// All of it, bytes.
    pub(crate) memory: u64,
    /// Threads.
    pub(crate) threads: usize,
    /// Files that are read at a time.
    pub(crate) active: usize,
    /// Most bytes of one decompressor's window.
    pub(crate) window: u64,
    /// No more files are opened while decompressors' windows take more, bytes.
    pub(crate) windows: u64,
    /// Bytes to read from a file at once.
    pub(crate) read_buffer: usize,
    /// Bytes of text at once.
    pub(crate) text_buffer: usize,
    /// Bytes of text that a thread reads before it looks up.
    pub(crate) slice: usize,
    /// Bytes.
    pub(crate) slab: usize,
    /// Most bytes that codes may take.
    pub(crate) arena: u64,
    /// Bytes of the arena that must be free before a thread reads a slice.
    pub(crate) slice_needs: u64,
    /// Bytes of tables and windows of each thread that joins.
    pub(crate) join: usize,
    /// Codes of a kind are told apart into 2 to the power of this many partitions.
    pub(crate) partition_bits: ByKind<u32>,
}

impl Plan {
    pub(crate) fn new(options: &Options, files: usize) -> Plan {
        let memory = memory::allowed(options.memory);
        let threads = options.threads.get().min(1024);
        let active = files.min(ACTIVE.max(2 * threads));
        let readers = threads.min(active);
        let slabs = readers * SLABS_A_SLICE + active * SLABS_A_FILE;
        let budget = usize::try_from(memory).unwrap_or(usize::MAX);
        let slab = previous_power_of_two(budget / 4 / slabs).clamp(MIN_SLAB, MAX_SLAB);
        let slice = SLICE.min(2 * slab);
        let text_buffer = TEXT_BUFFER.min(slice);
        let read_buffer = READ_BUFFER.min(slab);
        let beside = slabs * slab + active * (read_buffer + DECOMPRESSOR.min(slab)) + readers * text_buffer;
        let arena = budget.saturating_sub(beside).max(SLABS_A_SLICE * slab);
        // An index of four bytes for each partition heads a slab: at most a quarter.
        let most_bits = (slab / 16).ilog2();
        Plan {
            memory,
            threads,
            active,
            window: memory / 4 / readers as u64,
            windows: memory / 8,
            read_buffer,
            text_buffer,
            slice,
            slab,
            arena: arena as u64,
            slice_needs: (SLABS_A_SLICE * slab) as u64,
            join: slabs * slab / threads,
            partition_bits: ByKind::new(|kind| most_bits.min(if kind == Kind::Ten { 12 } else { 10 })),
        }
    }

    /// A pass over the files may keep a part of all codes, counted in coarse partitions: every kind
    /// has as many partitions or a multiple of them.
    pub(crate) fn coarse_partitions(&self) -> usize {
        1 << self.partition_bits.iter().min().copied().unwrap_or_default()
    }
}

fn previous_power_of_two(number: usize) -> usize {
    match number {
        0 => 0,
        _ => 1 << number.ilog2(),
    }
}

const _: () = assert!(MIN_SLAB / 2 > MAX_BYTES + 1, "any code fits in a slab");
