use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A file that appears under its name when it is complete; until then it is a hidden one beside it, which is removed when
/// this is dropped.
#[derive(Debug)]
pub(super) struct NewFile {
    file: BufWriter<File>,
    hidden: Option<PathBuf>,
    path: PathBuf,
}

impl NewFile {
    /// Begins to write the file. One that exists is replaced in the end and keeps its permissions; through a link it is the
    /// link's target; a device or a pipe is written to directly.
    ///
    /// # Errors
    /// Those of the system.
    pub(super) fn create(path: &Path) -> io::Result<NewFile> {
        // The target of a link, which stays a link.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let before = fs::metadata(&path).ok();
        if before.as_ref().is_some_and(|before| !before.is_file()) {
            let file = OpenOptions::new().write(true).open(&path)?;
            return Ok(NewFile {
                file: BufWriter::new(file),
                hidden: None,
                path,
            });
        }
        let hidden = hidden(&path);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&hidden)?;
        let new = NewFile {
            file: BufWriter::new(file),
            hidden: Some(hidden),
            path,
        };
        if let Some(before) = before {
            new.file.get_ref().set_permissions(before.permissions())?;
        }
        Ok(new)
    }

    /// Removes what another thread has written so far of a file that shall not appear.
    pub(super) fn abandon(path: &Path) {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let _ = fs::remove_file(hidden(&path));
    }

    /// Makes the file appear under its name, on disk.
    ///
    /// # Errors
    /// Those of the system; what was there before is there still.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.file.flush()?;
        let Some(hidden) = &self.hidden else {
            return Ok(());
        };
        self.file.get_ref().sync_all()?;
        fs::rename(hidden, &self.path)?;
        self.hidden = None;
        // The name, too, shall survive a crash; some file systems cannot promise it.
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Ok(folder) = File::open(folder.unwrap_or(Path::new("."))) {
            let _ = folder.sync_all();
        }
        Ok(())
    }
}

fn hidden(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(hidden) = &self.hidden {
            let _ = fs::remove_file(hidden);
        }
    }
}
