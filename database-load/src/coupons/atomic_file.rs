//! A file that appears under its name only when it is complete.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempPath;

/// A file that is written beside its final path, under a hidden name, and renamed at the end.
///
/// The hidden file is removed when this is dropped.
#[derive(Debug)]
pub(super) struct AtomicFile {
    file: BufWriter<File>,
    hidden: Option<TempPath>,
    path: PathBuf,
}

impl AtomicFile {
    /// Begins to write the file. An existing file is replaced at the end and keeps its permissions;
    /// of a link the target is replaced; a device or a pipe is written to directly.
    ///
    /// # Errors
    /// Those of the system.
    pub(super) fn create(path: &Path) -> io::Result<AtomicFile> {
        let path = target(path);
        let existing = fs::metadata(&path).ok();
        if existing.as_ref().is_some_and(|existing| !existing.is_file()) {
            let file = BufWriter::new(OpenOptions::new().write(true).open(&path)?);
            let hidden = None;
            return Ok(AtomicFile { file, hidden, path });
        }
        // A killed process of the same number, as in a container, may have left one.
        AtomicFile::abandon(&path);
        let (file, hidden) = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o666))
            .prefix(&hidden_name(&path))
            .rand_bytes(0)
            .tempfile_in(folder(&path))?
            .into_parts();
        if let Some(existing) = existing {
            file.set_permissions(existing.permissions())?;
        }
        Ok(AtomicFile {
            file: BufWriter::new(file),
            hidden: Some(hidden),
            path,
        })
    }

    /// Removes the hidden file that another thread of this process has begun for this path.
    pub(super) fn abandon(path: &Path) {
        let path = target(path);
        let _ = fs::remove_file(folder(&path).join(hidden_name(&path)));
    }

    /// Makes the file appear under its name, on disk.
    ///
    /// # Errors
    /// Those of the system; an earlier file is then unchanged.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.file.flush()?;
        if let Some(hidden) = self.hidden {
            self.file.get_ref().sync_all()?;
            hidden.persist(&self.path)?;
            // The rename must survive a crash as well; some file systems cannot promise it.
            let _ = File::open(folder(&self.path)).and_then(|folder| folder.sync_all());
        }
        Ok(())
    }
}

/// The target of a link, which stays a link.
fn target(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn folder(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

fn hidden_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!(".{name}.{}", std::process::id())
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
