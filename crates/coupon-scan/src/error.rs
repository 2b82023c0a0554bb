//! The errors of a scan.

use std::io;

use crate::MAX_FILES;

/// The reason why a scan failed.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// Usage: fewer than one file or more than 64.
    #[error("a scan takes 1 to {MAX_FILES} files, not {files}")]
    Files {
        /// Number of files given.
        files: usize,
    },
    /// Usage: no code could stand in so many files, or in none.
    #[error("a code cannot be asked to stand in {min_files} of {files} files")]
    MinFiles {
        /// What was asked for.
        min_files: usize,
        /// Number of files given.
        files: usize,
    },
    /// Usage: two of the names lead to one file.
    #[error("{file} is the same file as {other}")]
    SameFile {
        /// The name that came later.
        file: String,
        /// The name that came first.
        other: String,
    },
    /// The operating system cannot read the file.
    #[error("{file} cannot be read")]
    Unreadable {
        /// Name of the file.
        file: String,
        /// The error of the operating system.
        #[source]
        cause: io::Error,
    },
    /// The file's content is not what it claims to be.
    #[error("{file} is damaged at byte {offset}: {reason}")]
    Damaged {
        /// Name of the file.
        file: String,
        /// How many bytes of the file, as it lies on disk, had been taken in.
        offset: u64,
        /// Description of the damage.
        reason: String,
    },
    /// The file had to be read twice and was not the same the second time.
    #[error("{file} was changed while it was read")]
    Changed {
        /// Name of the file.
        file: String,
    },
    /// Usage: the file needs a larger window than the scan may use.
    #[error("{file} was compressed with a window of {window} bytes: allow more memory than {memory} bytes")]
    Window {
        /// Name of the file.
        file: String,
        /// Window that the file needs, bytes.
        window: u64,
        /// The whole working memory.
        memory: u64,
    },
    /// The codes fit neither in memory nor in the folder for temporary files.
    #[error("no room for temporary data in {folder}")]
    Temporary {
        /// [`Options::temp_dir`](crate::Options::temp_dir).
        folder: String,
        /// The error of the operating system.
        #[source]
        cause: io::Error,
    },
    /// The system has no memory or thread left.
    #[error("the system gives no {what}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// The error of the operating system.
        #[source]
        cause: io::Error,
    },
    /// [`Options::interrupt`](crate::Options::interrupt) was set.
    #[error("the scan was interrupted")]
    Interrupted,
}

/// The origin of a [`ScanError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request is invalid: too few or too many files, a file twice, too little memory for a
    /// file.
    Usage,
    /// A file, the disk or the system failed: it may work later.
    System,
    /// A file's content is damaged.
    Damaged,
    /// The caller asked to stop.
    Interrupted,
}

impl ScanError {
    /// The origin of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            ScanError::Files { .. }
            | ScanError::MinFiles { .. }
            | ScanError::SameFile { .. }
            | ScanError::Window { .. } => ErrorKind::Usage,
            ScanError::Unreadable { .. }
            | ScanError::Changed { .. }
            | ScanError::Temporary { .. }
            | ScanError::System { .. } => ErrorKind::System,
            ScanError::Damaged { .. } => ErrorKind::Damaged,
            ScanError::Interrupted => ErrorKind::Interrupted,
        }
    }
}
