//! A data folder of a test's own.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::cluster::programs::temporary_folder;

/// The data that the product ships.
pub const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../database-load/data");

/// A folder that a test may change; gone with the test.
#[derive(Debug)]
pub struct Data(PathBuf);

impl Data {
    /// A copy of the shipped data.
    #[must_use]
    pub fn copy() -> Self {
        let folder = Self::scratch();
        copy(Path::new(SHIPPED), &folder.0);
        folder
    }

    /// An empty folder.
    #[must_use]
    pub fn scratch() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("order-food-data-{}-{number}", std::process::id());
        let folder = temporary_folder().join(name);
        std::fs::create_dir_all(&folder).expect("make a folder");
        Self(folder)
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// Writes a file and returns its path.
    pub fn write(&self, file: &str, text: &str) -> String {
        let path = self.0.join(file);
        std::fs::write(&path, text).expect("write a file");
        path.to_str().expect("a path in UTF-8").to_owned()
    }

    /// The text of a file.
    #[must_use]
    pub fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.0.join(file)).expect("read a file")
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("make a folder");
    for entry in from.read_dir().expect("the shipped data") {
        let entry = entry.expect("the shipped data");
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).expect("copy a file")),
        }
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
