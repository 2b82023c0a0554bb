//! The files that a profile reads, and the fingerprint over all of them.

mod fingerprint;

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use process::exit::{ExitCode, Failure};

pub use fingerprint::{Fingerprint, fingerprint};

use crate::profile::Source;

/// Files up to this many bytes are read at once: what is hashed is what is loaded.
pub const HASHED_BYTES: u64 = 8 << 20;

/// A source that was opened.
#[derive(Clone, Debug)]
pub struct Input {
    /// As the profile has it.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Read(Arc<[u8]>),
    OnDisk {
        size: u64,
        modified: (i64, i64),
        inode: u64,
    },
}

impl Input {
    /// Reads the source if it is small, else looks at its size, time and inode.
    ///
    /// # Errors
    /// `Usage` when there is no such file; `Input` when it cannot be read.
    pub fn open(source: &Source) -> Result<Input, Failure> {
        let content = content(&source.path).map_err(|error| failure(&source.path, error))?;
        Ok(Input {
            name: source.name.clone(),
            path: source.path.clone(),
            content,
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
        let bytes = std::fs::read(&self.path).map_err(|error| failure(&self.path, error))?;
        self.unchanged()?;
        Ok(bytes.into())
    }

    /// The file for the coupon scanner; ask [`Input::unchanged`] afterwards.
    pub(crate) fn for_scan(&self) -> coupon_scan::Input {
        match &self.content {
            Content::Read(bytes) => coupon_scan::Input::content(&self.path, Arc::clone(bytes)),
            Content::OnDisk { .. } => coupon_scan::Input::file(&self.path),
        }
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

fn content(path: &std::path::Path) -> io::Result<Content> {
    let file = File::open(path)?;
    let about = file.metadata()?;
    if about.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
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

fn failure(path: &std::path::Path, error: io::Error) -> Failure {
    let code = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory => {
            ExitCode::Usage
        }
        _ => ExitCode::Input,
    };
    Failure::new(code, format!("source {}", path.display())).context_from(error)
}
