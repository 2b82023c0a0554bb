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
    /// [`Options::interrupt`](crate::Options::interrupt) was set.
    #[error("the scan was interrupted")]
    Interrupted,
}
