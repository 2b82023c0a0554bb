//! A temporary file for a large source.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use process::failure::{ExitCode, Failure, OrExit as _};
use tempfile::TempDir;

/// A file in a folder of its own below the system's folder for temporary files (`TMPDIR`), which is
/// for this user alone: the file may hold keys. Both go with the value.
#[derive(Debug)]
pub(super) struct TempFile {
    path: PathBuf,
    _folder: TempDir,
}

impl TempFile {
    /// `name` is what errors about the file will show.
    pub(super) fn new(name: &str) -> Result<TempFile, Failure> {
        let doing = format!("make a file below {}", std::env::temp_dir().display());
        let folder = tempfile::Builder::new()
            .prefix("database-load-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir()
            .or_exit(ExitCode::Input, doing)?;
        let name: String = name.chars().filter(|char| *char != '\0').take(200).collect();
        let name = match name.as_str() {
            name if name.is_empty() || name.starts_with('.') => "source",
            name => name,
        };
        Ok(TempFile {
            path: folder.path().join(name),
            _folder: folder,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}
