//! The temporary file that holds runs for which memory has no room.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Store;
use super::run::{POSITION, Run, merged};
use crate::ScanError;
use crate::memory::Arena;

/// Bytes written at once.
const WRITE_BUFFER: usize = 256 << 10;
/// Most bytes of an extent: positions in it have 32 bits.
const EXTENT: usize = 1 << 30;

/// A part of a store on disk, partition after partition.
pub(crate) struct Extent {
    offset: u64,
    /// Where each partition begins, and where the last one ends.
    index: Vec<u32>,
}

impl Extent {
    /// Where in the file these partitions lie.
    pub(crate) fn part(&self, partitions: Range<usize>) -> Range<u64> {
        let position = |partition: usize| {
            self.index
                .get(partition)
                .copied()
                .map(u64::from)
                .unwrap_or_default()
        };
        self.offset + position(partitions.start)..self.offset + position(partitions.end)
    }

    pub(super) fn index_bytes(&self) -> u64 {
        (self.index.capacity() * POSITION) as u64
    }
}

/// The temporary file: made when it is needed, and without a name, so that nothing is left of it
/// however the process ends.
pub(crate) struct Disk {
    folder: PathBuf,
    state: Mutex<State>,
    written: AtomicU64,
    interrupt: Arc<AtomicBool>,
}

#[derive(Default)]
struct State {
    file: Option<Arc<File>>,
    /// Bytes of the file that are in use, or were meant to be.
    end: u64,
    /// Why nothing can be written any more.
    failure: Option<io::Error>,
}

impl Disk {
    pub(crate) fn new(folder: &Path, interrupt: &Arc<AtomicBool>) -> Disk {
        Disk {
            folder: folder.to_owned(),
            state: Mutex::default(),
            written: AtomicU64::new(0),
            interrupt: Arc::clone(interrupt),
        }
    }

    /// Bytes written so far.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Whether writing has not failed yet.
    pub(crate) fn is_usable(&self) -> bool {
        self.state().failure.is_none()
    }

    /// Why there is no room.
    pub(crate) fn error(&self, cause: Option<io::Error>) -> ScanError {
        let cause = cause.or_else(|| self.state().failure.take());
        ScanError::Temporary {
            folder: self.folder.display().to_string(),
            cause: cause.unwrap_or_else(|| io::Error::from(io::ErrorKind::StorageFull)),
        }
    }

    /// Gives the room back: no extent may be in use. What failed may succeed now.
    pub(crate) fn clear(&self) {
        *self.state() = State::default();
    }

    /// Moves a store's runs to disk. If that fails they stay where they are, and the disk is no
    /// longer usable.
    pub(crate) fn write(&self, store: &mut Store, partitions: usize, arena: &Arena) {
        while !store.runs.is_empty() {
            let count = store.runs.len().min(EXTENT / arena.slab());
            let runs = store.runs.get(..count).unwrap_or_default();
            match self.extent(runs, partitions) {
                Ok(extent) => {
                    arena.charge(extent.index_bytes());
                    store.extents.push(extent);
                }
                Err(cause) => {
                    self.state().failure.get_or_insert(cause);
                    return;
                }
            }
            for run in store.runs.drain(..count) {
                store.held -= run.bytes() as u64;
                run.release(arena);
            }
        }
        store.runs = Vec::new();
    }

    fn extent(&self, runs: &[Run], partitions: usize) -> io::Result<Extent> {
        let mut index = Vec::with_capacity(partitions + 1);
        let mut size = 0;
        for partition in 0..partitions {
            index.push(size);
            size += runs
                .iter()
                .map(|run| run.part(partition..partition + 1).len() as u32)
                .sum::<u32>();
        }
        index.push(size);
        let (file, offset) = self.room(u64::from(size))?;
        let mut at = offset;
        let mut buffer = Vec::with_capacity(WRITE_BUFFER);
        let mut write = |buffer: &mut Vec<u8>| -> io::Result<()> {
            if self.interrupt.load(Ordering::Relaxed) {
                return Err(io::Error::from(io::ErrorKind::Interrupted));
            }
            file.write_all_at(buffer, at)?;
            at += buffer.len() as u64;
            self.written.fetch_add(buffer.len() as u64, Ordering::Relaxed);
            buffer.clear();
            Ok(())
        };
        for (_, codes) in merged(runs, 0..partitions) {
            if buffer.len() + codes.len() > WRITE_BUFFER {
                write(&mut buffer)?;
            }
            buffer.extend_from_slice(codes);
        }
        write(&mut buffer)?;
        Ok(Extent { offset, index })
    }

    /// The file, and where so many bytes go.
    fn room(&self, bytes: u64) -> io::Result<(Arc<File>, u64)> {
        let mut state = self.state();
        let file = match &state.file {
            Some(file) => Arc::clone(file),
            None => Arc::clone(state.file.insert(Arc::new(tempfile::tempfile_in(&self.folder)?))),
        };
        let offset = state.end;
        state.end += bytes;
        Ok((file, offset))
    }

    /// Reads what was written; at least one byte.
    pub(crate) fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let file = self.state().file.clone();
        let file = file.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        file.read_exact_at(buffer, offset)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
