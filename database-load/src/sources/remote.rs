//! Sources on other machines: asked for their version first, fetched only when it is new.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use object_store::path::Path;
use process::failure::{ExitCode, Failure, OrExit as _};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use tracing::{Instrument as _, info, info_span};

use super::https::Address;
use super::location::{Location, Source};
use super::object::ObjectVersion;
use super::s3::Bucket;
use super::settings::Settings;
use super::temp_file::TempFile;
use super::{HASHED_BYTES, unreachable};

#[derive(Clone, Debug)]
enum Place {
    Web(Address),
    Bucket(Bucket, Path),
}

/// An object that was found and not fetched yet.
#[derive(Clone, Debug)]
pub(super) struct Remote {
    /// May be shown.
    pub(super) name: String,
    place: Place,
    /// `None`: nothing tells it from its successor but its content.
    pub(super) version: Option<ObjectVersion>,
    max_bytes: u64,
    /// More are put into a file.
    max_memory: u64,
    retries: u32,
}

/// Content with its SHA-256.
pub(super) enum Fetched {
    Small(Vec<u8>, [u8; 32]),
    Large(TempFile, [u8; 32]),
}

/// The authorities that remote sources are checked against.
///
/// # Errors
/// `Usage` when the settings name none.
pub(super) async fn tls() -> Result<rustls::ClientConfig, Failure> {
    let made = tokio::task::spawn_blocking(process::tls::client).await;
    let made = made.or_exit(ExitCode::Unexpected, "TLS")?;
    made.or_exit(ExitCode::Usage, "TLS")
}

/// The objects of a source, sorted by name.
///
/// # Errors
/// `Usage` when there is none, or settings make no sense; `Input` when no server answers, or not
/// with success.
pub(super) async fn find(
    source: &Source,
    settings: &Settings,
    tls: &rustls::ClientConfig,
) -> Result<Vec<Remote>, Failure> {
    let remote = |name: String, place: Place, version: Option<ObjectVersion>| Remote {
        name,
        place,
        version,
        max_bytes: settings.max_download_mib.saturating_mul(1 << 20),
        // The coupon scanner reads files, some twice.
        max_memory: if source.is_table { HASHED_BYTES } else { 0 },
        retries: settings.retries,
    };
    let name = &source.name;
    let place = match &source.location {
        Location::Web { url, query, user } => {
            let parts = (url, query.as_ref(), user.as_ref());
            Place::Web(Address::new(name, parts, settings, tls)?)
        }
        Location::Bucket { bucket, key } => {
            let store = Bucket::new(bucket, settings, tls)?;
            if source.location.is_plural() {
                let listed = store.list(source, bucket, key).await?;
                let found = listed
                    .into_iter()
                    .map(|(name, key, version)| remote(name, Place::Bucket(store.clone(), key), version));
                return Ok(found.collect());
            }
            let key = Path::parse(key).or_exit(ExitCode::Usage, format!("source {name}"))?;
            Place::Bucket(store, key)
        }
        Location::Local(_) => return Ok(Vec::new()),
    };
    let mut one = remote(name.clone(), place, None);
    // The version of a source whose checksum is stated is not needed.
    if source.sha256.is_none() {
        one.version = match &one.place {
            Place::Web(address) => address.version().await?,
            Place::Bucket(bucket, key) => bucket.version(name, key).await?,
        };
    }
    Ok(vec![one])
}

/// Why there is no content.
enum FetchError {
    /// The transfer broke off; another one may succeed.
    Interrupted(String),
    /// Another transfer would fail, too.
    Fatal(Failure),
}

impl From<Failure> for FetchError {
    fn from(failure: Failure) -> FetchError {
        FetchError::Fatal(failure)
    }
}

impl Remote {
    /// Fetches the object; it must be the one that was found, and have the SHA-256 if one is
    /// stated.
    ///
    /// # Errors
    /// `Input` when it cannot be had or has been replaced meanwhile; `InvalidData` when it is too
    /// large, or another one than is stated; `Usage` when it is gone.
    pub(super) async fn fetch(&self, stated: Option<[u8; 32]>) -> Result<Fetched, Failure> {
        let span = info_span!(
            "dataload.download",
            source = self.name,
            bytes = tracing::field::Empty
        );
        let started = Instant::now();
        let (fetched, bytes) = self
            .fetch_with_retries(stated.is_none())
            .instrument(span.clone())
            .await
            .inspect_err(|failure| process::telemetry::fail(&span, failure))?;
        span.record("bytes", bytes);
        let elapsed_s = started.elapsed().as_secs_f64();
        info!(source = self.name, bytes, elapsed_s, "downloaded");
        let (Fetched::Small(_, sum) | Fetched::Large(_, sum)) = &fetched;
        if let Some(stated) = stated {
            super::check_sum(&self.name, *sum, stated)?;
        }
        Ok(fetched)
    }

    async fn fetch_with_retries(&self, must_be_found_one: bool) -> Result<(Fetched, u64), Failure> {
        let mut attempt = 0;
        loop {
            match self.fetch_once(must_be_found_one).await {
                Err(FetchError::Interrupted(problem)) if attempt < self.retries => {
                    attempt += 1;
                    info!(
                        source = self.name,
                        attempt, problem, "the download broke off; once more"
                    );
                    tokio::time::sleep(Duration::from_millis(200 << attempt.min(4))).await;
                }
                Err(FetchError::Interrupted(problem)) => {
                    return Err(unreachable::failure(&self.name, problem));
                }
                Err(FetchError::Fatal(failure)) => return Err(failure),
                Ok(fetched) => return Ok(fetched),
            }
        }
    }

    async fn fetch_once(&self, must_be_found_one: bool) -> Result<(Fetched, u64), FetchError> {
        let answer = match &self.place {
            Place::Web(address) => address.get().await?,
            Place::Bucket(bucket, key) => bucket.get(&self.name, key).await?,
        };
        if let Some(found) = self.version.as_ref().filter(|_| must_be_found_one)
            && answer.version.is_none_or(|now| !found.is_same(&now))
        {
            let problem = "was changed while it was read";
            return Err(unreachable::failure(&self.name, problem).into());
        }
        if answer.size.is_some_and(|size| size > self.max_bytes) {
            return Err(self.too_large().into());
        }
        self.receive(answer.size, answer.body).await
    }

    async fn receive(
        &self,
        expected: Option<u64>,
        mut body: BoxStream<'static, Result<Bytes, String>>,
    ) -> Result<(Fetched, u64), FetchError> {
        let (mut sum, mut size) = (Sha256::new(), 0);
        let mut memory = Vec::new();
        let mut stored: Option<(TempFile, tokio::fs::File)> = None;
        while let Some(piece) = body.next().await {
            let piece =
                piece.map_err(|problem| FetchError::Interrupted(cut_off(size, expected, &problem)))?;
            size += piece.len() as u64;
            if size > self.max_bytes {
                return Err(self.too_large().into());
            }
            sum.update(&piece);
            if stored.is_none() && size > self.max_memory {
                let file = TempFile::new(self.file_name())?;
                let mut open = tokio::fs::File::create_new(file.path())
                    .await
                    .map_err(disk(&file))?;
                open.write_all(&memory).await.map_err(disk(&file))?;
                memory = Vec::new();
                stored = Some((file, open));
            }
            match &mut stored {
                Some((file, open)) => open.write_all(&piece).await.map_err(disk(file))?,
                None => memory.extend_from_slice(&piece),
            }
        }
        if let Some(expected) = expected.filter(|expected| *expected != size) {
            let problem = "the connection ended";
            return Err(FetchError::Interrupted(cut_off(size, Some(expected), problem)));
        }
        let sum = sum.finalize().into();
        let fetched = match stored {
            None => Fetched::Small(memory, sum),
            Some((file, mut open)) => {
                open.flush().await.map_err(disk(&file))?;
                Fetched::Large(file, sum)
            }
        };
        Ok((fetched, size))
    }

    fn file_name(&self) -> &str {
        let path = self.name.trim_end_matches("?…");
        path.rsplit('/').next().unwrap_or_default()
    }

    fn too_large(&self) -> Failure {
        let message = format!(
            "source {}: has more than {} MiB, the most that MAX_DOWNLOAD_MIB allows",
            self.name,
            self.max_bytes >> 20
        );
        Failure::new(ExitCode::InvalidData, message)
    }
}

fn cut_off(size: u64, expected: Option<u64>, problem: &str) -> String {
    match expected {
        Some(expected) => format!("cut off after {size} of {expected} bytes: {problem}"),
        None => format!("cut off after {size} bytes: {problem}"),
    }
}

fn disk(file: &TempFile) -> impl Fn(std::io::Error) -> FetchError {
    let message = format!("write {}", file.path().display());
    move |error| {
        Failure::new(ExitCode::Input, message.clone())
            .context_from(error)
            .into()
    }
}
