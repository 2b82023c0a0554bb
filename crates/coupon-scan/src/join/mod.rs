//! Finding the codes that stand in enough files, partition by partition, on all cores.

mod packed;
mod result;
mod table;
mod text;

use std::ops::Range;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use packed::PackedJoin;
pub(crate) use result::{JoinResult, PIECE};
use table::Full;
use text::TextJoin;

use crate::ScanError;
use crate::kind::Kind;
use crate::pass::Group;
use crate::permutation::Seed;
use crate::store::{CodeLayout, Disk, Store, Window};

/// Smallest window, bytes: larger than any code.
const MIN_WINDOW: usize = 64;
const MAX_WINDOW: usize = 1 << 20;

/// The input of all threads that join the codes of one kind.
pub(crate) struct Join<'a> {
    pub(crate) kind: Kind,
    pub(crate) layout: &'a CodeLayout,
    pub(crate) seed: &'a Seed,
    /// Those of all files, in their order.
    pub(crate) groups: Vec<&'a Group>,
    pub(crate) partitions: Range<usize>,
    pub(crate) min_files: u32,
    /// Files with codes in a partition that make it worth joining: 1 if distinct codes are counted.
    pub(crate) fewest_files: usize,
    pub(crate) disk: &'a Disk,
    /// Bytes of tables and windows of one thread.
    pub(crate) memory: usize,
    pub(crate) threads: usize,
    pub(crate) interrupt: &'a AtomicBool,
}

/// Joins parts of partitions, one after the other; one for each thread.
trait Joiner {
    /// Clears the current part.
    fn clear(&mut self);

    /// Takes those of a file's codes that belong to the part, and says how many bytes whole codes
    /// are, unless the table gets too large. Codes that are not in the table are left out unless
    /// `inserts`.
    fn take(
        &mut self,
        join: &Join<'_>,
        codes: &[u8],
        file: usize,
        part: Part,
        inserts: bool,
    ) -> Result<usize, Full>;

    /// Adds the codes of the current part.
    fn add_to(&self, found: &mut JoinResult, join: &Join<'_>, partition: usize);
}

/// A part of the codes of a partition: those of which so many of the highest bits, as they are
/// stored, are this number.
///
/// A table that gets too large is thrown away, and the partition joined in two parts.
#[derive(Clone, Copy, Debug)]
struct Part {
    bits: u32,
    number: u64,
}

impl Part {
    /// All parts of a partition: 2 to the power of `bits`.
    fn all(bits: u32) -> Vec<Part> {
        (0..1 << bits).map(|number| Part { bits, number }).collect()
    }

    #[inline]
    fn contains(self, code: u64, code_bits: u32) -> bool {
        self.bits == 0 || code >> code_bits.saturating_sub(self.bits) == self.number
    }

    fn halves(self) -> [Part; 2] {
        [0, 1].map(|half| Part {
            bits: self.bits + 1,
            number: self.number << 1 | half,
        })
    }
}

impl Join<'_> {
    /// The result of each thread.
    pub(crate) fn run(&self) -> Result<Vec<JoinResult>, ScanError> {
        let blocks = self.threads * 8;
        let block = self.partitions.len().div_ceil(blocks).max(1);
        let starts: Vec<usize> = self.partitions.clone().step_by(block).collect();
        let next = AtomicUsize::new(0);
        let results = Mutex::new(Vec::new());
        let stop = AtomicBool::new(false);
        let work = || {
            let mut found = JoinResult::default();
            let result = self.work(&mut found, &stop, || {
                let start = *starts.get(next.fetch_add(1, Ordering::Relaxed))?;
                Some(start..self.partitions.end.min(start + block))
            });
            stop.fetch_or(result.is_err(), Ordering::Relaxed);
            let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
            results.push(result.map(|()| found));
        };
        std::thread::scope(|scope| {
            for number in 1..self.threads.min(starts.len()) {
                let thread = std::thread::Builder::new().name(format!("coupon-scan-{number}"));
                let _ = thread.spawn_scoped(scope, work);
            }
            work();
        });
        let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.into_iter().collect()
    }

    fn work(
        &self,
        found: &mut JoinResult,
        stop: &AtomicBool,
        mut blocks: impl FnMut() -> Option<Range<usize>>,
    ) -> Result<(), ScanError> {
        let mut joiner = self.joiner();
        // In how many parts, to the power of two, a partition had to be joined: the next one is as
        // large.
        let mut bits = 0;
        while let Some(block) = blocks() {
            let mut reader = Reader::new(self, block.end - 1);
            for partition in block {
                if stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                if self.interrupt.load(Ordering::Relaxed) {
                    return Err(ScanError::Interrupted);
                }
                if self.reaching(partition) >= self.fewest_files {
                    self.join_partition(&mut *joiner, &mut reader, partition, &mut bits, found)?;
                }
            }
        }
        Ok(())
    }

    fn join_partition(
        &self,
        joiner: &mut dyn Joiner,
        reader: &mut Reader<'_>,
        partition: usize,
        bits: &mut u32,
        found: &mut JoinResult,
    ) -> Result<(), ScanError> {
        let mut parts = Part::all(*bits);
        while let Some(part) = parts.pop() {
            match self.join_part(joiner, reader, partition, part)? {
                Err(Full) => {
                    parts.extend(part.halves());
                    *bits = part.bits.saturating_add(1).max(*bits);
                }
                Ok(()) => joiner.add_to(found, self, partition),
            }
        }
        Ok(())
    }

    fn join_part(
        &self,
        joiner: &mut dyn Joiner,
        reader: &mut Reader<'_>,
        partition: usize,
        part: Part,
    ) -> Result<Result<(), Full>, ScanError> {
        joiner.clear();
        let files = self.files(partition);
        let first_files = self.first_files(files.len());
        for (place, file) in files.into_iter().enumerate() {
            let inserts = place < first_files;
            let mut result = Ok(());
            reader.read(file, partition, |codes| {
                let taken = match result {
                    Ok(()) => joiner.take(self, codes, file, part, inserts),
                    Err(Full) => Err(Full),
                };
                taken.unwrap_or_else(|full| {
                    result = Err(full);
                    codes.len()
                })
            })?;
            if result.is_err() {
                return Ok(result);
            }
        }
        Ok(Ok(()))
    }

    fn joiner(&self) -> Box<dyn Joiner> {
        let files = self.groups.len() as u32;
        match self.kind {
            Kind::Other => Box::new(TextJoin::new(self)),
            _ if self.layout.rest_bits + files <= u64::BITS => Box::new(PackedJoin::<u64>::new(self)),
            _ => Box::new(PackedJoin::<u128>::new(self)),
        }
    }

    /// Number of files that may have codes in a partition.
    fn reaching(&self, partition: usize) -> usize {
        let groups = self.groups.iter();
        groups
            .filter(|group| group.store.occupied.contains(partition))
            .count()
    }

    /// The files with codes in a partition, those with the fewest first.
    fn files(&self, partition: usize) -> Vec<usize> {
        let stores = self.groups.iter().map(|group| &group.store).enumerate();
        let mut files: Vec<(u64, usize)> = stores
            .filter(|(_, store)| store.occupied.contains(partition))
            .map(|(number, store)| (size(store, partition), number))
            .filter(|(size, _)| *size > 0)
            .collect();
        files.sort_unstable();
        files.into_iter().map(|(_, number)| number).collect()
    }

    /// How many of those files may hold the first one of the files in which a valid code stands: no
    /// other code needs a place in the table.
    fn first_files(&self, files: usize) -> usize {
        (files + 1).saturating_sub(self.fewest_files)
    }
}

/// Bytes of a partition.
fn size(store: &Store, partition: usize) -> u64 {
    let in_memory: usize = store
        .runs
        .iter()
        .map(|run| run.part(partition..partition + 1).len())
        .sum();
    let on_disk: u64 = store
        .extents
        .iter()
        .map(|extent| {
            let part = extent.part(partition..partition + 1);
            part.end - part.start
        })
        .sum();
    in_memory as u64 + on_disk
}

/// Reads the codes of a block of partitions, from memory and from disk.
struct Reader<'a> {
    join: &'a Join<'a>,
    /// The last partition of the block.
    last: usize,
    /// Of each file's extents.
    windows: Vec<Vec<Window>>,
    window: usize,
}

impl<'a> Reader<'a> {
    fn new(join: &'a Join<'a>, last: usize) -> Reader<'a> {
        let extents = join.groups.iter().map(|group| group.store.extents.len());
        let window = join.memory / 2 / extents.clone().sum::<usize>().max(1);
        Reader {
            join,
            last,
            windows: extents
                .map(|count| std::iter::repeat_with(Window::default).take(count).collect())
                .collect(),
            window: window.clamp(MIN_WINDOW, MAX_WINDOW),
        }
    }

    /// Hands the codes of a file in a partition to `take`, piece by piece: see [`Window::read`].
    fn read(
        &mut self,
        file: usize,
        partition: usize,
        mut take: impl FnMut(&[u8]) -> usize,
    ) -> Result<(), ScanError> {
        let (Some(group), Some(windows)) = (self.join.groups.get(file), self.windows.get_mut(file)) else {
            return Ok(());
        };
        for run in &group.store.runs {
            take(run.part(partition..partition + 1));
        }
        for (extent, window) in group.store.extents.iter().zip(windows) {
            window
                .read(
                    self.join.disk,
                    extent,
                    partition,
                    self.last,
                    self.window,
                    &mut take,
                )
                .map_err(|cause| self.join.disk.error(Some(cause)))?;
        }
        Ok(())
    }
}
