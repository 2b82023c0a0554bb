use std::io;

use crate::MAX_FILES;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// Usage: fewer than one file or more than 64.
    #[error("a scan takes 1 to {MAX_FILES} files, not {files}")]
    Files {
        /// How many were given.
        files: usize,
    },
    /// Usage: no code could stand in so many files, or in none.
    #[error("a code cannot be asked to stand in {min_files} of {files} files")]
    MinFiles {
        /// What was asked for.
        min_files: usize,
        /// How many were given.
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
    /// The operating system does not give the file.
    #[error("{file} cannot be read")]
    Unreadable {
        /// Name of the file.
        file: String,
        /// What the operating system says.
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
        /// What is wrong there.
        reason: String,
    },
    /// The file had to be read twice and was not the same the second time.
    #[error("{file} was changed while it was read")]
    Changed {
        /// Name of the file.
        file: String,
    },
    /// Usage: the file asks its reader to remember more than the scan may use.
    #[error("{file} was compressed with a window of {window} bytes: allow more memory than {memory} bytes")]
    Window {
        /// Name of the file.
        file: String,
        /// What it takes to decompress the file.
        window: u64,
        /// The whole working memory.
        memory: u64,
    },
    /// The codes fit neither in memory nor in the folder for temporary files.
    #[error("no room for temporary data in {folder}")]
    Temporary {
        /// [`Options::temp_dir`](crate::Options::temp_dir).
        folder: String,
        /// What the operating system says.
        #[source]
        cause: io::Error,
    },
    /// The system does not give memory or a thread.
    #[error("the system gives no {what}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// What the operating system says.
        #[source]
        cause: io::Error,
    },
    /// [`Options::interrupt`](crate::Options::interrupt) was set.
    #[error("the scan was interrupted")]
    Interrupted,
}

/// Whose fault a [`ScanError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// What was asked makes no sense: too few or too many files, a file twice, too little memory for a file.
    Usage,
    /// A file, the disk or the system failed: it may work later.
    System,
    /// A file's content is damaged.
    Damaged,
    /// Somebody asked to stop.
    Interrupted,
}

impl ScanError {
    /// Whose fault it is.
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
