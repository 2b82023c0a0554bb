//! One input of a scan: a file, a reader or bytes, and the check of all inputs.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::{MAX_FILES, ScanError};

/// Opens a file: see [`Input::opened`].
type Open = Arc<dyn Fn() -> io::Result<Box<dyn Read + Send>> + Send + Sync>;

/// One of the files of a scan.
#[derive(Clone)]
pub struct Input {
    path: PathBuf,
    source: Source,
    bytes: Option<u64>,
}

#[derive(Clone)]
enum Source {
    File,
    Opened(Open),
    Once(Arc<Mutex<Option<Box<dyn Read + Send>>>>),
    Content(Arc<[u8]>),
}

impl fmt::Debug for Input {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Input({})", self.path.display())
    }
}

impl Input {
    fn new(path: impl Into<PathBuf>, source: Source) -> Input {
        Input {
            path: path.into(),
            source,
            bytes: None,
        }
    }

    /// A file that is read while it is scanned. A pipe or a device is read once.
    pub fn file(path: impl Into<PathBuf>) -> Input {
        Input::new(path, Source::File)
    }

    /// As [`Input::file`], read through what `open` returns, from the beginning to the end, so
    /// that its reader sees every byte. A scan may have to read a file twice; then it calls `open`
    /// twice.
    pub fn opened(
        path: impl Into<PathBuf>,
        open: impl Fn() -> io::Result<Box<dyn Read + Send>> + Send + Sync + 'static,
    ) -> Input {
        Input::new(path, Source::Opened(Arc::new(open)))
    }

    /// An input that can be read once only, as standard input or a pipe. `name` stands for it in
    /// errors, and two inputs of one name are the same file.
    pub fn reader(name: impl Into<PathBuf>, reader: impl Read + Send + 'static) -> Input {
        Input::new(name, Source::Once(Arc::new(Mutex::new(Some(Box::new(reader))))))
    }

    /// A file that has been read already; `path` names it in errors and tells whether two inputs
    /// are one file.
    pub fn content(path: impl Into<PathBuf>, content: Arc<[u8]>) -> Input {
        Input::new(path, Source::Content(content))
    }

    /// The input's size where it lies, bytes, for the progress and the order of work: a file on
    /// disk tells it by itself.
    #[must_use]
    pub fn with_size(mut self, bytes: u64) -> Input {
        self.bytes = Some(bytes);
        self
    }

    pub(crate) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// The name ends in `.gz`, `.zst` or the like.
    pub(crate) fn is_called_compressed(&self) -> bool {
        self.path.extension().is_some_and(|extension| {
            ["gz", "gzip", "zst", "zstd"]
                .iter()
                .any(|known| extension.eq_ignore_ascii_case(known))
        })
    }

    /// Bytes to read, if that is known, and whether they can be read twice.
    pub(crate) fn size(&self) -> (Option<u64>, bool) {
        let on_disk = || {
            let about = std::fs::metadata(&self.path).ok()?;
            about.is_file().then_some(about.len())
        };
        match &self.source {
            Source::Content(content) => (Some(content.len() as u64), true),
            Source::Once(_) => (self.bytes, false),
            Source::Opened(_) => (self.bytes.or_else(on_disk), true),
            Source::File => match on_disk() {
                Some(bytes) => (Some(bytes), true),
                None => (self.bytes, false),
            },
        }
    }

    pub(crate) fn unreadable(&self, cause: io::Error) -> ScanError {
        ScanError::Unreadable {
            file: self.name(),
            cause,
        }
    }

    pub(crate) fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        match &self.source {
            Source::Content(content) => Ok(Box::new(io::Cursor::new(Arc::clone(content)))),
            Source::Opened(open) => open(),
            Source::File => Ok(Box::new(File::open(&self.path)?)),
            Source::Once(reader) => {
                let reader = reader.lock().unwrap_or_else(PoisonError::into_inner).take();
                reader.ok_or_else(|| io::Error::other("it can be read once only"))
            }
        }
    }
}

/// Refuses too few, too many and repeated files.
pub(crate) fn check(inputs: &[Input]) -> Result<(), ScanError> {
    if inputs.is_empty() || inputs.len() > MAX_FILES {
        return Err(ScanError::Files { files: inputs.len() });
    }
    let mut seen: Vec<(PathBuf, &Input)> = Vec::with_capacity(inputs.len());
    for input in inputs {
        let real = match (std::fs::canonicalize(&input.path), &input.source) {
            (Ok(real), Source::File | Source::Opened(_) | Source::Content(_)) => real,
            // The path is but a name.
            (_, Source::Content(_) | Source::Once(_)) => input.path.clone(),
            // What has no path but can be opened: a shell's <(…).
            (Err(_), Source::File) if std::fs::metadata(&input.path).is_ok() => input.path.clone(),
            (Err(cause), _) => return Err(input.unreadable(cause)),
        };
        if let Some((_, other)) = seen.iter().find(|(known, _)| *known == real) {
            return Err(ScanError::SameFile {
                file: input.name(),
                other: other.name(),
            });
        }
        seen.push((real, input));
    }
    Ok(())
}
