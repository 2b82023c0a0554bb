//! The options and the progress of a scan.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::DEFAULT_MEMORY;

/// The options of a scan.
#[derive(Clone, Debug)]
pub struct Options {
    /// In how many of the files a valid code stands at least: 1 to the number of files; default 2.
    pub min_files: usize,
    /// Working memory, bytes; default [`DEFAULT_MEMORY`]. A control group's limit lowers it. The
    /// process stays below this + 64 MiB + 16 bytes for each valid code; what does not fit goes to
    /// `temp_dir`.
    pub memory: u64,
    /// Most threads that work at once; default: the cores.
    pub threads: NonZero<usize>,
    /// Folder for what does not fit in memory; default: the system's. Looked at only when it is
    /// needed. What is written there has no name and is gone with the process, however it ends.
    /// Without room there the scan goes on in memory, by several passes, as long as every input can
    /// be read again.
    pub temp_dir: PathBuf,
    /// Whether [`Counts::distinct`](crate::Counts::distinct) and
    /// [`Counts::repeats`](crate::Counts::repeats) are counted; default: no. Costs time, and space
    /// in `temp_dir` when not all codes fit in memory: the scan then cannot leave out codes that
    /// stand in one file only.
    pub count_distinct: bool,
    /// Whether the SHA-256 of each input, as it lies on disk, is computed in the same pass;
    /// default: no.
    pub sha256: bool,
    /// Progress of the scan; may be shared with another thread.
    pub progress: Arc<Progress>,
    /// Set from another thread, it ends the scan within some milliseconds with
    /// [`ScanError::Interrupted`](crate::ScanError::Interrupted); a read that blocks, as from a
    /// pipe, is waited for.
    pub interrupt: Arc<AtomicBool>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            min_files: 2,
            memory: DEFAULT_MEMORY,
            threads: std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN),
            temp_dir: std::env::temp_dir(),
            count_distinct: false,
            sha256: false,
            progress: Arc::default(),
            interrupt: Arc::default(),
        }
    }
}

/// Progress of a scan, in bytes of input as they lie on disk. Grows during a scan; a second read
/// adds to both numbers.
#[derive(Debug, Default)]
pub struct Progress {
    read: AtomicU64,
    total: AtomicU64,
}

impl Progress {
    /// Bytes read so far.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes to read, as far as is known: a pipe adds what was read from it.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, bytes: u64, unexpected: bool) {
        self.read.fetch_add(bytes, Ordering::Relaxed);
        if unexpected {
            self.expect(bytes);
        }
    }

    pub(crate) fn expect(&self, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }
}
