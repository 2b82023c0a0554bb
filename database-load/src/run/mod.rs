//! One run of the loader: decide, read, stage, publish; every step is recorded.

mod audit;
mod decision;
mod failure;
mod guard;
mod heartbeat;
mod leftovers;
mod lock;
mod prepare;
mod progress;
mod publish;
mod session;
mod stage;
mod statement;
mod steps;
mod summary;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use database::Database;
use process::exit::{ExitCode, Failure, OrExit as _};
use shop::HashKeys;
use tokio_util::sync::CancellationToken;
use tracing::{Span, warn};
use uuid::Uuid;

pub use summary::{Changes, Outcome, ProfileRun, Summary};

use crate::input::{Fingerprint, Input, fingerprint};
use crate::profile::Profile;
use crate::read::Data;
pub(crate) use prepare::connect;
use steps::Run;

/// What is asked of a run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Profile files, in the order in which they are run.
    pub profiles: Vec<PathBuf>,
    /// Load although nothing changed, although the data were active before, and although many rows would go.
    pub force: bool,
    /// Read, validate and count; write nothing, not even an audit row.
    pub dry_run: bool,
    /// How long to wait for the database, and for the schema in it.
    pub wait_timeout: Duration,
    /// How long to wait for another load to end.
    pub lock_timeout: Duration,
    /// Under which API keys are hashed.
    pub hash_keys: HashKeys,
    /// Whether rows marked `development` are refused.
    pub production: bool,
    /// The version of this build, for the record.
    pub build: String,
    /// Cancels the run: what was not published is rolled back.
    pub cancel: CancellationToken,
}

impl RunOptions {
    /// A run of these profiles as in development: the default hash key, a minute's wait.
    ///
    /// # Errors
    /// None today: the development hash key is valid.
    pub fn development(profiles: Vec<PathBuf>) -> Result<RunOptions, shop::NotHashKeys> {
        Ok(RunOptions {
            profiles,
            force: false,
            dry_run: false,
            wait_timeout: Duration::from_secs(60),
            lock_timeout: Duration::from_secs(600),
            hash_keys: HashKeys::parse(None, false)?,
            production: false,
            build: env!("CARGO_PKG_VERSION").into(),
            cancel: CancellationToken::new(),
        })
    }
}

/// One profile of a run.
struct Job {
    run_id: Uuid,
    profile: Profile,
    inputs: Vec<Input>,
    fingerprint: Fingerprint,
}

/// A job whose sources were read and are valid.
struct ReadJob {
    job: Job,
    /// The version that was active when the decision was made.
    active: Option<i64>,
    data: Data,
    content_sha256: Fingerprint,
}

/// A job whose rows lie under a version of their own, not yet active.
struct Staged {
    job: Job,
    version: i64,
    active: Option<i64>,
    coupon_codes: Changes,
}

/// Brings the profiles' data to the version in their sources: all of them become visible together, or none.
///
/// Records run ids and outcome on the current span.
///
/// # Errors
/// [`Failure`] with the exit code of the process, naming the runs that failed; the active data are what they were before.
pub async fn run(database: &Database, options: &RunOptions) -> Result<Summary, Failure> {
    let runs: Vec<(Uuid, String)> = options
        .profiles
        .iter()
        .map(|path| (Uuid::now_v7(), Profile::name_of(path)))
        .collect();
    let ids: Vec<String> = runs.iter().map(|(id, _)| id.to_string()).collect();
    Span::current().record("run_id", ids.join(","));
    let mut summary = Summary::default();
    let result = attempt(database, options, &runs, &mut summary).await;
    let mut outcomes: Vec<&str> = summary.profiles.iter().map(|run| run.outcome.name()).collect();
    if let Err(failure) = &result {
        outcomes.push(outcome_of(failure).name());
    }
    outcomes.dedup();
    Span::current().record("outcome", outcomes.join(","));
    result.map(|()| summary)
}

async fn attempt(
    database: &Database,
    options: &RunOptions,
    runs: &[(Uuid, String)],
    summary: &mut Summary,
) -> Result<(), Failure> {
    let interrupt = Arc::new(AtomicBool::new(false));
    let run = Run {
        database,
        options,
        interrupt: Arc::clone(&interrupt),
        started: Instant::now(),
    };
    let mut client = None;
    // Dropping the work rolls back what is under way; only the publication ends by itself.
    let staged = tokio::select! {
        biased;
        () = options.cancel.cancelled() => Err(failure::canceled()),
        staged = run.stage(runs, &mut client, summary) => staged,
    };
    interrupt.store(true, Ordering::Relaxed);
    let published = match staged {
        Ok(None) => Ok(()),
        Ok(Some(staged)) => run.publish(staged, summary).await,
        Err(failure) => Err(failure),
    };
    let Err(failure) = published else {
        return Ok(());
    };
    // Of several profiles some may have had nothing to do: their runs are over.
    let is_open = |run: &&(Uuid, String)| summary.profiles.iter().all(|done| done.run_id != run.0);
    let open: Vec<(Uuid, String)> = runs.iter().filter(is_open).cloned().collect();
    let end = audit::End {
        runs: &open,
        outcome: outcome_of(&failure),
        failure: &failure,
        build: &options.build,
    };
    // What could not be reached in all the time of the wait is not tried again.
    let is_hopeless = client.is_none() && failure.code == ExitCode::DatabaseUnreachable;
    let mut in_force = Vec::new();
    if !options.dry_run && !is_hopeless {
        in_force = audit::failed(database, client.as_deref(), &end).await;
    }
    if in_force.is_empty() {
        return Err(last_words(failure, &open));
    }
    warn!(
        cause = failure.line(),
        "the connection was lost while publishing; the publication took place"
    );
    for (run_id, profile) in open {
        if let Some((_, version)) = in_force.iter().find(|(id, _)| *id == run_id) {
            summary.add(ProfileRun {
                run_id,
                profile,
                outcome: Outcome::Changed,
                version: Some(*version),
                changes: Vec::new(),
                elapsed: run.started.elapsed(),
            });
        }
    }
    Ok(())
}

fn outcome_of(failure: &Failure) -> Outcome {
    if failure.code == ExitCode::Terminated {
        Outcome::Canceled
    } else {
        Outcome::Failed
    }
}

/// The failure with the runs that it ended: it becomes the last line of the log.
fn last_words(failure: Failure, runs: &[(Uuid, String)]) -> Failure {
    let names: Vec<String> = runs
        .iter()
        .map(|(run_id, profile)| format!("run {run_id} of profile {profile}"))
        .collect();
    let message = format!("{}: {}", names.join(", "), outcome_of(&failure).name());
    Failure::new(failure.code, message).context_from(failure)
}

/// Reads profiles and small inputs, before the database is asked for anything.
async fn open(options: &RunOptions, runs: &[(Uuid, String)]) -> Result<Vec<Job>, Failure> {
    let (options, runs) = (options.clone(), runs.to_vec());
    let open = move || {
        let mut jobs: Vec<Job> = Vec::with_capacity(options.profiles.len());
        for (path, (run_id, _)) in options.profiles.iter().zip(runs) {
            let profile = Profile::read(path)?;
            if jobs.iter().any(|job| job.profile.name == profile.name) {
                return Err(Failure::new(
                    ExitCode::Usage,
                    format!("profile {} is given twice", profile.name),
                ));
            }
            let inputs = profile
                .sources()
                .map(Input::open)
                .collect::<Result<Vec<_>, _>>()?;
            let key = options.hash_keys.writer().id();
            let fingerprint = fingerprint(&profile.text, &inputs, key, options.production);
            jobs.push(Job {
                run_id,
                profile,
                inputs,
                fingerprint,
            });
        }
        Ok(jobs)
    };
    blocking(open).await
}

/// Runs work that blocks, inside the current span.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let span = Span::current();
    let joined = tokio::task::spawn_blocking(move || span.in_scope(work)).await;
    joined.or_exit(ExitCode::Unexpected, "read the data")?
}
