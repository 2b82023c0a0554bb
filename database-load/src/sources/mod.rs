//! The files that a profile reads, wherever they lie, and the fingerprint over all of them.

mod file;
mod fingerprint;
mod hashing;
mod https;
mod location;
mod object;
mod remote;
mod s3;
mod settings;
mod temp_file;
mod text;
mod unreachable;

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use futures_util::future::try_join_all;
use futures_util::{StreamExt as _, TryStreamExt as _};
use process::failure::{ExitCode, Failure, OrExit as _};
use sha2::{Digest as _, Sha256};

pub use fingerprint::{Fingerprint, content_sha256, fingerprint};
use hashing::Hashing;
pub(crate) use location::Entry;
pub use location::{Location, Source};
pub(crate) use settings::ENVIRONMENT;
pub use settings::{OnUnreachable, S3, Settings};
pub(crate) use text::BadText;
pub(crate) use unreachable::is_unreachable;

use crate::format::Format;
use crate::regular_file;
use remote::{Fetched, Remote};
use temp_file::TempFile;

/// Files up to this many bytes are read at once: what is hashed is what is loaded.
pub const HASHED_BYTES: u64 = 8 << 20;
/// So many downloads go on at a time.
const DOWNLOADS: usize = 4;

/// SHA-256 of a file's bytes, known once it was read to its end.
type Sum = Arc<OnceLock<[u8; 32]>>;

/// A source that was opened, or one of the files that it stands for.
#[derive(Clone, Debug)]
pub struct Input {
    /// As the profile has it, or would have it; may be shown.
    pub name: String,
    /// What a table's file holds; `None` when its name does not say.
    pub(crate) format: Option<Format>,
    /// Number of its source among those that were opened.
    pub(crate) source: usize,
    content: Content,
    /// What the profile says its bytes are.
    stated: Option<[u8; 32]>,
    sha256: Sum,
    /// Most bytes of a table's text.
    max_text: u64,
}

#[derive(Clone, Debug)]
enum Content {
    Read {
        path: PathBuf,
        bytes: Arc<[u8]>,
    },
    OnDisk {
        path: PathBuf,
        about: About,
    },
    /// Not fetched yet.
    Elsewhere(Arc<Remote>),
    Fetched(Arc<TempFile>),
}

/// What tells a file from the one that replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct About {
    size: u64,
    modified: (i64, i64),
    /// Tells that the file was replaced while it was read; differs from machine to machine.
    inode: u64,
}

/// Opens the sources of a profile: small files are read, larger ones looked at, and who has the
/// rest is asked what it is.
///
/// # Errors
/// `Usage` when there is no such regular file or object; `Input` when it cannot be read or reached;
/// `InvalidData` when a small file is another one than the profile states.
pub async fn open(sources: &[Source], settings: &Settings) -> Result<Vec<Input>, Failure> {
    let max_text = settings.max_table_mib.saturating_mul(1 << 20);
    let local = sources.to_vec();
    let local = blocking(move || {
        let mut inputs = Vec::new();
        for (number, source) in local.iter().enumerate() {
            if let Location::Local(path) = &source.location {
                for (name, path) in file::files(source, path)? {
                    inputs.push(Input::local(source, number, name, path, max_text)?);
                }
            }
        }
        Ok(inputs)
    })
    .await?;
    let is_remote = |(_, source): &(usize, &Source)| !matches!(source.location, Location::Local(_));
    let elsewhere: Vec<(usize, &Source)> = sources.iter().enumerate().filter(is_remote).collect();
    let mut remote = Vec::new();
    if !elsewhere.is_empty() {
        let tls = remote::tls().await?;
        let found = elsewhere.into_iter().map(async |(number, source)| {
            let found = remote::find(source, settings, &tls).await?;
            let input = |remote| Input::elsewhere(source, number, remote, max_text);
            try_join_all(found.into_iter().map(input)).await
        });
        remote = try_join_all(found).await?;
    }
    let mut inputs: Vec<Input> = local.into_iter().chain(remote.into_iter().flatten()).collect();
    inputs.sort_by_key(|input| input.source);
    Ok(inputs)
}

/// Fetches what is elsewhere.
///
/// # Errors
/// As those of [`open`], when what was found cannot be had; `InvalidData` when it is too large, or
/// another one than stated.
pub(crate) async fn fetch(inputs: Vec<Input>) -> Result<Vec<Input>, Failure> {
    let fetched = futures_util::stream::iter(inputs.into_iter().map(Input::fetched));
    fetched.buffered(DOWNLOADS).try_collect().await
}

impl Input {
    /// A table's file that was read.
    #[cfg(test)]
    pub(crate) fn of(name: &str, bytes: &[u8]) -> Input {
        Input {
            name: name.into(),
            format: Format::of(name),
            source: 0,
            content: Content::Read {
                path: name.into(),
                bytes: bytes.into(),
            },
            stated: None,
            sha256: Sum::default(),
            max_text: 1 << 20,
        }
    }

    /// Reads the file if it is small, else looks at its size, time and inode.
    fn local(
        source: &Source,
        number: usize,
        name: String,
        path: PathBuf,
        max_text: u64,
    ) -> Result<Input, Failure> {
        let content = content(&path).map_err(|error| file::failure(&path.display().to_string(), error))?;
        let input = Input {
            format: source.format.or_else(|| Format::of(&name)),
            name,
            source: number,
            content,
            stated: source.sha256,
            sha256: Sum::default(),
            max_text,
        };
        if matches!(input.content, Content::Read { .. }) {
            input.sha256()?;
        }
        Ok(input)
    }

    /// What nothing but its content tells from its successor is fetched at once.
    async fn elsewhere(
        source: &Source,
        number: usize,
        remote: Remote,
        max_text: u64,
    ) -> Result<Input, Failure> {
        let is_known = source.sha256.is_some() || remote.version.is_some();
        let input = Input {
            format: source
                .format
                .or_else(|| Format::of(remote.name.trim_end_matches("?…"))),
            name: remote.name.clone(),
            source: number,
            content: Content::Elsewhere(Arc::new(remote)),
            stated: source.sha256,
            sha256: Sum::default(),
            max_text,
        };
        if is_known {
            Ok(input)
        } else {
            input.fetched().await
        }
    }

    async fn fetched(self) -> Result<Input, Failure> {
        let Content::Elsewhere(remote) = &self.content else {
            return Ok(self);
        };
        let (content, sum) = match remote.fetch(self.stated).await? {
            Fetched::Small(bytes, sum) => (
                Content::Read {
                    path: self.name.clone().into(),
                    bytes: bytes.into(),
                },
                sum,
            ),
            Fetched::Large(temp_file, sum) => (Content::Fetched(Arc::new(temp_file)), sum),
        };
        Ok(Input {
            content,
            sha256: Arc::new(OnceLock::from(sum)),
            ..self
        })
    }

    /// SHA-256 of the bytes, which were read before; the stated one if there is one.
    fn sha256(&self) -> Result<[u8; 32], Failure> {
        let sum = match &self.content {
            Content::Read { bytes, .. } => *self.sha256.get_or_init(|| Sha256::digest(bytes).into()),
            _ => self.sha256.get().copied().ok_or_else(|| {
                let message = format!("source {} was not read to its end", self.name);
                Failure::new(ExitCode::Unexpected, message)
            })?,
        };
        if let Some(stated) = self.stated {
            check_sum(&self.name, sum, stated)?;
        }
        Ok(sum)
    }

    /// The bytes from their beginning; notes their sum at the end.
    fn reader(&self) -> io::Result<Box<dyn Read + Send>> {
        let path = match &self.content {
            Content::Read { bytes, .. } => return Ok(Box::new(io::Cursor::new(Arc::clone(bytes)))),
            Content::OnDisk { path, .. } => path,
            Content::Fetched(temp_file) => temp_file.path(),
            Content::Elsewhere(_) => return Err(io::Error::other("was not fetched")),
        };
        Ok(Box::new(Hashing::new(
            File::open(path)?,
            Arc::clone(&self.sha256),
        )))
    }

    /// Whether what was read is what was opened, and what the profile states.
    ///
    /// # Errors
    /// `Input` when a file was changed meanwhile; `InvalidData` when it is not what is stated.
    pub(crate) fn unchanged(&self) -> Result<(), Failure> {
        if let Content::OnDisk { path, about } = &self.content {
            let now = content(path).map_err(|error| file::failure(&path.display().to_string(), error))?;
            if !matches!(now, Content::OnDisk { about: now, .. } if now == *about) {
                let message = format!("{} was changed while it was read", path.display());
                return Err(Failure::new(ExitCode::Input, message));
            }
        }
        if self.stated.is_some() {
            self.sha256()?;
        }
        Ok(())
    }
}

fn check_sum(name: &str, sum: [u8; 32], stated: [u8; 32]) -> Result<(), Failure> {
    if sum == stated {
        return Ok(());
    }
    let message = format!(
        "source {name}: its SHA-256 is {}, the profile states {}",
        hex::encode(sum),
        hex::encode(stated)
    );
    Err(Failure::new(ExitCode::InvalidData, message))
}

fn content(path: &Path) -> io::Result<Content> {
    regular_file::check(path)?;
    let file = File::open(path)?;
    let about = file.metadata()?;
    if about.len() <= HASHED_BYTES {
        // One byte more than allowed shows that the file has grown meanwhile.
        let mut bytes = Vec::with_capacity(usize::try_from(about.len()).unwrap_or_default());
        (&file).take(HASHED_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 <= HASHED_BYTES {
            return Ok(Content::Read {
                path: path.to_owned(),
                bytes: bytes.into(),
            });
        }
    }
    let about = file.metadata()?;
    Ok(Content::OnDisk {
        path: path.to_owned(),
        about: About {
            size: about.len(),
            modified: (about.mtime(), about.mtime_nsec()),
            inode: about.ino(),
        },
    })
}

/// Runs work that blocks, inside the current span.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let span = tracing::Span::current();
    let joined = tokio::task::spawn_blocking(move || span.in_scope(work)).await;
    joined.or_exit(ExitCode::Unexpected, "read the data")?
}
