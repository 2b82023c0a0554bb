//! A temporary file for a large source.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use process::failure::{ExitCode, Failure, OrExit as _};
use uuid::Uuid;

/// A file in a folder of its own below the system's folder for temporary files (`TMPDIR`); both go
/// with the value.
#[derive(Debug)]
pub(super) struct TempFile {
    folder: PathBuf,
    path: PathBuf,
}

impl TempFile {
    /// `name` is what errors about the file will show.
    pub(super) fn new(name: &str) -> Result<TempFile, Failure> {
        let folder = std::env::temp_dir().join(format!("database-load-{}", Uuid::new_v4()));
        let doing = || format!("make a file below {}", std::env::temp_dir().display());
        // The file may hold keys: for this user alone.
        DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .or_exit(ExitCode::Input, doing())?;
        let name: String = name
            .chars()
            .filter(|char| !matches!(char, '/' | '\0'))
            .take(200)
            .collect();
        let name = if name.is_empty() || name.starts_with('.') {
            "source".into()
        } else {
            name
        };
        Ok(TempFile {
            path: folder.join(name),
            folder,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let removed = std::fs::remove_dir_all(&self.folder);
        if let Err(error) = removed {
            tracing::debug!(folder = %self.folder.display(), %error, "a temporary folder stays");
        }
    }
}
