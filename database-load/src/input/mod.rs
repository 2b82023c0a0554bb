//! The files that a profile reads, and the fingerprint over all of them.

mod fingerprint;
mod hashing;

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use process::exit::{ExitCode, Failure};
use sha2::{Digest as _, Sha256};

pub use fingerprint::{Fingerprint, content_sha256, fingerprint};
use hashing::Hashing;

use crate::profile::Source;

/// Files up to this many bytes are read at once: what is hashed is what is loaded.
pub const HASHED_BYTES: u64 = 8 << 20;

/// SHA-256 of a file's bytes, known once it was read to its end.
type Digest = Arc<OnceLock<[u8; 32]>>;

/// A source that was opened.
#[derive(Clone, Debug)]
pub struct Input {
    /// As the profile has it.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    content: Content,
    sha256: Digest,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Read(Arc<[u8]>),
    OnDisk {
        size: u64,
        modified: (i64, i64),
        /// Tells that the file was replaced while it was read; differs from machine to machine.
        inode: u64,
    },
}

impl Input {
    /// Reads the source if it is small, else looks at its size, time and inode.
    ///
    /// # Errors
    /// `Usage` when there is no such regular file; `Input` when it cannot be read.
    pub fn open(source: &Source) -> Result<Input, Failure> {
        let content = regular(&source.path)
            .and_then(|_| content(&source.path))
            .map_err(|error| failure(&source.path, error))?;
        Ok(Input {
            name: source.name.clone(),
            path: source.path.clone(),
            content,
            sha256: Digest::default(),
        })
    }

    /// The whole content.
    ///
    /// # Errors
    /// `Input` when it cannot be read, or is no longer the file that was opened.
    pub fn bytes(&self) -> Result<Arc<[u8]>, Failure> {
        if let Content::Read(bytes) = &self.content {
            return Ok(Arc::clone(bytes));
        }
        let mut bytes = Vec::new();
        let read = self.reader().and_then(|mut file| file.read_to_end(&mut bytes));
        read.map_err(|error| failure(&self.path, error))?;
        self.unchanged()?;
        Ok(bytes.into())
    }

    /// The file for the coupon scanner; ask [`Input::unchanged`] afterwards.
    pub(crate) fn for_scan(&self) -> coupon_scan::Input {
        match &self.content {
            Content::Read(bytes) => coupon_scan::Input::content(&self.path, Arc::clone(bytes)),
            Content::OnDisk { .. } => {
                let input = self.clone();
                coupon_scan::Input::opened(&self.path, move || Ok(Box::new(input.reader()?)))
            }
        }
    }

    /// SHA-256 of the bytes, which were read before.
    fn sha256(&self) -> Result<[u8; 32], Failure> {
        if let Content::Read(bytes) = &self.content {
            return Ok(*self.sha256.get_or_init(|| Sha256::digest(bytes).into()));
        }
        self.sha256.get().copied().ok_or_else(|| {
            let message = format!("source {} was not read to its end", self.path.display());
            Failure::new(ExitCode::Unexpected, message)
        })
    }

    /// The file from its beginning; notes the bytes' sum at the end.
    fn reader(&self) -> io::Result<Hashing<File>> {
        Ok(Hashing::new(File::open(&self.path)?, Arc::clone(&self.sha256)))
    }

    /// Whether a file that was left on disk is still the one that was opened.
    ///
    /// # Errors
    /// `Input` when it is not.
    pub(crate) fn unchanged(&self) -> Result<(), Failure> {
        if matches!(self.content, Content::Read(_)) {
            return Ok(());
        }
        let now = content(&self.path).map_err(|error| failure(&self.path, error))?;
        if now == self.content {
            return Ok(());
        }
        Err(Failure::new(
            ExitCode::Input,
            format!("{} was changed while it was read", self.path.display()),
        ))
    }
}

/// Refuses what is no regular file before it is opened: a pipe would wait for a writer, a device may never end.
///
/// # Errors
/// Those of the system; `InvalidInput` for what is no regular file.
pub(crate) fn regular(path: &Path) -> io::Result<Metadata> {
    let about = std::fs::metadata(path)?;
    if about.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "is a directory"));
    }
    if !about.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is no regular file"));
    }
    Ok(about)
}

fn content(path: &Path) -> io::Result<Content> {
    let file = File::open(path)?;
    let about = file.metadata()?;
    if about.len() <= HASHED_BYTES {
        // One byte more than allowed shows that the file has grown meanwhile.
        let mut bytes = Vec::with_capacity(usize::try_from(about.len()).unwrap_or_default());
        (&file).take(HASHED_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 <= HASHED_BYTES {
            return Ok(Content::Read(bytes.into()));
        }
    }
    let about = file.metadata()?;
    Ok(Content::OnDisk {
        size: about.len(),
        modified: (about.mtime(), about.mtime_nsec()),
        inode: about.ino(),
    })
}

fn failure(path: &Path, error: io::Error) -> Failure {
    let code = match error.kind() {
        io::ErrorKind::NotFound
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::InvalidInput => ExitCode::Usage,
        _ => ExitCode::Input,
    };
    Failure::new(code, format!("source {}", path.display())).context_from(error)
}
