//! Sources that lie elsewhere: asked for what they are first, fetched only when they are news.

mod list;
mod store;
mod wire;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use object_store::path::Path;
use object_store::{GetOptions, GetResult, ObjectMeta};
use process::failure::{ExitCode, Failure, OrExit as _};
use reqwest::StatusCode;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use tracing::{Instrument as _, info, info_span};

use super::location::Source;
use super::settings::Settings;
use super::temp_file::TempFile;
use super::{HASHED_BYTES, unreachable};
use store::Store;
use wire::{AnsweredAt, Problem, UNKNOWN_SIZE};

/// A time that is this close to the answer does not tell two changes within one second apart.
const SETTLED_AFTER_S: i64 = 2;

/// What tells an object from the one that will replace it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) e_tag: Option<String>,
    /// Bytes.
    pub(super) size: Option<u64>,
    /// Seconds since 1970.
    pub(super) modified: Option<i64>,
}

/// An object that was found and not fetched yet.
#[derive(Clone, Debug)]
pub(super) struct Remote {
    /// May be shown.
    pub(super) name: String,
    store: Store,
    key: Path,
    /// `None`: nothing tells it from its successor but its content.
    pub(super) stamp: Option<Stamp>,
    max_bytes: u64,
    /// More are put into a file.
    max_memory: u64,
    retries: u32,
}

/// What was fetched, with its SHA-256.
pub(super) enum Fetched {
    Small(Vec<u8>, [u8; 32]),
    Large(TempFile, [u8; 32]),
}

/// Finds remote sources; what they share is made once.
#[derive(Debug, Default)]
pub(super) struct Finder {
    tls: OnceLock<rustls::ClientConfig>,
}

impl Finder {
    /// The objects of a source, sorted by name.
    ///
    /// # Errors
    /// `Usage` when there is none; `Input` when nobody answers, or not with yes.
    pub(super) async fn find(&self, source: &Source, settings: &Settings) -> Result<Vec<Remote>, Failure> {
        let tls = match self.tls.get() {
            Some(tls) => tls.clone(),
            None => {
                let made = tokio::task::spawn_blocking(store::tls).await;
                let made = made.or_exit(ExitCode::Unexpected, "TLS")??;
                self.tls.get_or_init(|| made).clone()
            }
        };
        let store = store::of(source, settings, tls)?;
        let remote = |name: String, key: Path, stamp: Option<Stamp>| Remote {
            name,
            store: store.clone(),
            key,
            stamp,
            max_bytes: settings.max_download_mib.saturating_mul(1 << 20),
            // The coupon scanner reads files, some twice.
            max_memory: if source.is_table { HASHED_BYTES } else { 0 },
            retries: settings.retries,
        };
        if source.location.is_plural() {
            let found = list::objects(&store, source).await?;
            return Ok(found
                .into_iter()
                .map(|(name, meta)| remote(name, meta.location.clone(), stamp(&meta)))
                .collect());
        }
        let mut one = remote(source.name.clone(), store.key.clone(), None);
        // What the profile states needs no asking.
        if source.sha256.is_none() {
            one.stamp = one.head().await?;
        }
        Ok(vec![one])
    }
}

fn stamp(meta: &ObjectMeta) -> Option<Stamp> {
    let modified = meta.last_modified.timestamp();
    let stamp = Stamp {
        e_tag: meta.e_tag.clone(),
        size: Some(meta.size).filter(|size| *size != UNKNOWN_SIZE),
        // An answer without a time gets this one.
        modified: Some(modified).filter(|modified| *modified != 0),
    };
    (stamp.e_tag.is_some() || stamp.modified.is_some()).then_some(stamp)
}

impl Remote {
    /// Asks what the object is, without its content.
    async fn head(&self) -> Result<Option<Stamp>, Failure> {
        let head = GetOptions::new().with_head(true);
        let answer = match self.store.objects.get_opts(&self.key, head).await {
            Ok(answer) => answer,
            Err(error) => {
                let problem = self.store.wire.problem();
                let is_no_answer = matches!(
                    problem,
                    Some(Problem::Status(
                        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED | StatusCode::FORBIDDEN
                    ))
                );
                if self.store.is_bucket || !is_no_answer {
                    return Err(self.failure(&error, problem));
                }
                // Some servers, and addresses signed for GET, refuse HEAD. The content is dropped unread.
                let answer = self.store.objects.get_opts(&self.key, GetOptions::new()).await;
                answer.map_err(|error| self.failure(&error, self.store.wire.problem()))?
            }
        };
        if let Some(AnsweredAt(answered_at)) = answer.extensions.get().filter(|_| !self.store.is_bucket) {
            let modified = answer.meta.last_modified.timestamp();
            if modified != 0 && answered_at - modified < SETTLED_AFTER_S {
                return Ok(None);
            }
        }
        Ok(stamp(&answer.meta))
    }

    /// Fetches the object; it must be the one that was found, and have the SHA-256 if one is stated.
    ///
    /// # Errors
    /// `Input` when it cannot be had or has been replaced meanwhile; `InvalidData` when it is too large, or another one
    /// than is stated; `Usage` when it is gone.
    pub(super) async fn fetch(&self, stated: Option<[u8; 32]>) -> Result<Fetched, Failure> {
        let span = info_span!(
            "dataload.download",
            source = self.name,
            bytes = tracing::field::Empty
        );
        let started = Instant::now();
        let fetched = async {
            let mut attempt = 0;
            loop {
                match self.fetch_once(stated.is_none()).await {
                    Err(Broken::Off(problem)) if attempt < self.retries => {
                        attempt += 1;
                        info!(
                            source = self.name,
                            attempt, problem, "the download broke off; once more"
                        );
                        tokio::time::sleep(Duration::from_millis(200 << attempt.min(4))).await;
                    }
                    Err(Broken::Off(problem)) => return Err(unreachable::failure(&self.name, problem)),
                    Err(Broken::For(failure)) => return Err(failure),
                    Ok(fetched) => return Ok(fetched),
                }
            }
        };
        let (fetched, bytes) = fetched
            .instrument(span.clone())
            .await
            .inspect_err(|failure| process::telemetry::fail(&span, failure))?;
        span.record("bytes", bytes);
        let elapsed_s = started.elapsed().as_secs_f64();
        info!(source = self.name, bytes, elapsed_s, "downloaded");
        match (&fetched, stated) {
            (Fetched::Small(_, sum) | Fetched::Large(_, sum), Some(stated)) => {
                super::check_sum(&self.name, *sum, stated)?;
            }
            (_, None) => (),
        }
        Ok(fetched)
    }

    async fn fetch_once(&self, must_be_found_one: bool) -> Result<(Fetched, u64), Broken> {
        let answer = self.store.objects.get_opts(&self.key, GetOptions::new()).await;
        let answer = answer.map_err(|error| Broken::For(self.failure(&error, self.store.wire.problem())))?;
        if let Some(found) = self.stamp.as_ref().filter(|_| must_be_found_one)
            && stamp(&answer.meta).is_none_or(|now| !same(found, &now))
        {
            let problem = "was changed while it was read";
            return Err(Broken::For(unreachable::failure(&self.name, problem)));
        }
        if answer.meta.size != UNKNOWN_SIZE && answer.meta.size > self.max_bytes {
            return Err(Broken::For(self.too_large()));
        }
        self.receive(answer).await
    }

    async fn receive(&self, answer: GetResult) -> Result<(Fetched, u64), Broken> {
        let (expected, mut stream) = (answer.meta.size, answer.into_stream());
        let (mut sum, mut size) = (Sha256::new(), 0);
        let mut memory = Vec::new();
        let mut spooled: Option<(TempFile, tokio::fs::File)> = None;
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|error| Broken::Off(self.words(&error)))?;
            size += piece.len() as u64;
            if size > self.max_bytes {
                return Err(Broken::For(self.too_large()));
            }
            sum.update(&piece);
            if spooled.is_none() && size > self.max_memory {
                let spool =
                    TempFile::new(self.key.filename().unwrap_or(&self.file_name())).map_err(Broken::For)?;
                let mut file = tokio::fs::File::create_new(spool.path())
                    .await
                    .map_err(disk(&spool))?;
                file.write_all(&memory).await.map_err(disk(&spool))?;
                memory = Vec::new();
                spooled = Some((spool, file));
            }
            match &mut spooled {
                Some((spool, file)) => file.write_all(&piece).await.map_err(disk(spool))?,
                None => memory.extend_from_slice(&piece),
            }
        }
        if expected != UNKNOWN_SIZE && size != expected {
            return Err(Broken::Off(format!("{size} of {expected} bytes came")));
        }
        let sum = sum.finalize().into();
        let fetched = match spooled {
            None => Fetched::Small(memory, sum),
            Some((spool, mut file)) => {
                file.flush().await.map_err(disk(&spool))?;
                Fetched::Large(spool, sum)
            }
        };
        Ok((fetched, size))
    }

    fn file_name(&self) -> String {
        let path = self.name.trim_end_matches("?…");
        path.rsplit('/').next().unwrap_or_default().to_owned()
    }

    fn too_large(&self) -> Failure {
        let message = format!(
            "source {}: has more than {} MiB, the most that MAX_DOWNLOAD_MIB allows",
            self.name,
            self.max_bytes >> 20
        );
        Failure::new(ExitCode::InvalidData, message)
    }

    /// What an error of the store means.
    fn failure(&self, error: &object_store::Error, problem: Option<Problem>) -> Failure {
        self.store.failure(&self.name, error, problem)
    }

    fn words(&self, error: &object_store::Error) -> String {
        match self.store.wire.problem() {
            Some(Problem::NoAnswer(problem)) => problem,
            _ => causes(error),
        }
    }
}

/// Why there is no content.
enum Broken {
    /// It broke off: another time it may come.
    Off(String),
    /// Another time is no better.
    For(Failure),
}

fn disk(spool: &TempFile) -> impl Fn(std::io::Error) -> Broken {
    let message = format!("write {}", spool.path().display());
    move |error| Broken::For(Failure::new(ExitCode::Input, message.clone()).context_from(error))
}

/// Compares what both know; the ETag decides alone.
fn same(found: &Stamp, now: &Stamp) -> bool {
    match (&found.e_tag, &now.e_tag) {
        (Some(found), Some(now)) => found == now,
        _ => {
            let sizes = found.size.zip(now.size);
            found.modified == now.modified && sizes.is_none_or(|(found, now)| found == now)
        }
    }
}

impl Store {
    /// `Usage` for what is not there, else `Input`; `name` may be shown, and so may the answer's code.
    fn failure(&self, name: &str, error: &object_store::Error, problem: Option<Problem>) -> Failure {
        match problem {
            Some(Problem::Status(status @ (StatusCode::NOT_FOUND | StatusCode::GONE))) => Failure::new(
                ExitCode::Usage,
                format!("source {name}: is not there ({})", status.as_u16()),
            ),
            Some(Problem::Status(status)) => {
                let code = code(error).map(|code| format!(" ({code})")).unwrap_or_default();
                unreachable::failure(name, format!("the server answers {status}{code}"))
            }
            Some(Problem::NoAnswer(problem)) if self.is_nobody => unreachable::failure(
                name,
                format!("{problem}; neither AWS_ACCESS_KEY_ID nor anything else says who asks"),
            ),
            Some(Problem::NoAnswer(problem)) => unreachable::failure(name, problem),
            None => unreachable::failure(name, causes(error)),
        }
    }
}

/// The error's code in an answer of S3; the rest of it may quote what was sent.
fn code(error: &object_store::Error) -> Option<String> {
    let text = causes(error);
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    let is_word = code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_word.then(|| code.to_owned())
}

fn causes(error: &object_store::Error) -> String {
    let mut parts = vec![error.to_string()];
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if parts.iter().all(|part| !part.contains(&text)) {
            parts.push(text);
        }
        cause = error.source();
    }
    parts.join(": ")
}
