//! A check that a path is a regular file.

use std::fs::Metadata;
use std::io;
use std::path::Path;

/// Refuses what is no regular file before it is opened: a pipe would wait for a writer, a device
/// may never end.
///
/// # Errors
/// Those of the system; `InvalidInput` for what is no regular file.
pub(crate) fn check(path: &Path) -> io::Result<Metadata> {
    let about = std::fs::metadata(path)?;
    if about.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "is a directory"));
    }
    if !about.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is no regular file"));
    }
    Ok(about)
}
