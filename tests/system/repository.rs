//! Files of the repository that tests read.

use std::path::{Path, PathBuf};

/// Where a file of the repository is.
pub(crate) fn path(file: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(file)
}

/// The text of a file of the repository.
pub(crate) fn text(file: &str) -> String {
    std::fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}
