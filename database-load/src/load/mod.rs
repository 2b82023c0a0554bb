//! One run of the loader: decide, read, stage, publish; every step is recorded.

mod connect;
mod decide;
pub(crate) mod failure;
pub(crate) mod lock;
pub(crate) mod orphaned_staging;
mod plan;
pub(crate) mod progress;
pub(crate) mod publish;
mod read;
pub(crate) mod record;
pub(crate) mod session;
pub(crate) mod shrink_guard;
pub(crate) mod stage;
mod statement;
mod steps;
mod summary;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use database::Database;
use process::failure::{ExitCode, Failure};
use process::panics;
use shop::HashKeys;
use tracing::{Span, warn};
use uuid::Uuid;

pub use plan::{Plan, ProfilePlan, plan};
pub use read::read;
pub use summary::{Changes, Outcome, ProfileRun, Summary};

use crate::coupons;
use crate::datasets::{Data, DatasetKind};
use crate::profile::Profile;
use crate::run_options::{self, RunOptions};
use crate::sources::{self, Fingerprint, Input, OnUnreachable, Source, blocking, fingerprint};
pub(crate) use connect::connect;
use steps::Run;

/// The program in `bootstrap_runs`.
const TASK: &str = "database-load";

/// What is asked of a run.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Profile files, in the order in which they are run.
    pub profiles: Vec<PathBuf>,
    /// Load although nothing changed, although the data were active before, and although many rows
    /// would go.
    pub force: bool,
    /// Under which API keys are hashed.
    pub hash_keys: HashKeys,
    /// Whether rows marked `development` are refused.
    pub production: bool,
    /// How sources are reached.
    pub sources: sources::Settings,
    /// How coupon files are scanned.
    pub coupons: coupons::Settings,
    /// How long to wait, and what stops it.
    pub run_options: RunOptions,
}

impl LoadOptions {
    /// A run of these profiles as in development: the default hash key, the default limits.
    ///
    /// # Errors
    /// None today: the development hash key is valid.
    pub fn development(profiles: Vec<PathBuf>) -> Result<LoadOptions, shop::NotHashKeys> {
        Ok(LoadOptions {
            profiles,
            force: false,
            hash_keys: HashKeys::parse(None, false)?,
            production: false,
            sources: sources::Settings::default(),
            coupons: coupons::Settings::default(),
            run_options: RunOptions::default(),
        })
    }
}

/// One profile of a run.
struct ProfileLoad {
    run_id: Uuid,
    profile: Profile,
    inputs: Vec<Input>,
    fingerprint: Fingerprint,
    /// Why there are no inputs; only where that may be.
    unreachable: Option<Failure>,
}

/// A job whose sources were read and are valid.
struct ValidatedProfile {
    job: ProfileLoad,
    /// The version that was active when the decision was made.
    active: Option<i64>,
    data: Data,
    content_sha256: Fingerprint,
}

/// Brings the profiles' data to the version in their sources: all of them become visible together,
/// or none.
///
/// Records run ids and outcome on the current span.
///
/// # Errors
/// [`Failure`] with the exit code of the process, naming the runs that failed; the active data are
/// what they were before.
pub async fn run(database: &Database, options: &LoadOptions) -> Result<Summary, Failure> {
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
    options: &LoadOptions,
    runs: &[(Uuid, String)],
    summary: &mut Summary,
) -> Result<(), Failure> {
    let interrupt = Arc::new(AtomicBool::new(false));
    let deadline = options.run_options.deadline();
    let run = Run {
        database,
        options,
        deadline: &deadline,
        interrupt: Arc::clone(&interrupt),
        started: Instant::now(),
    };
    let mut client = None;
    // Dropping the work rolls back what is in progress; only the publication ends by itself.
    let staged = run_options::or_stop(&deadline, run.stage(runs, &mut client, summary)).await;
    interrupt.store(true, Ordering::Relaxed);
    let published = match staged {
        Ok(None) => Ok(()),
        Ok(Some(staged)) => {
            let published = panics::caught_in(run.publish(staged, summary)).await;
            published.unwrap_or_else(|panicked| Err(panicked.into()))
        }
        Err(failure) => Err(failure),
    };
    let Err(failure) = published else {
        return Ok(());
    };
    // Of several profiles some may have had nothing to do: their runs are over.
    let is_open = |run: &&(Uuid, String)| summary.profiles.iter().all(|done| done.run_id != run.0);
    let open: Vec<(Uuid, String)> = runs.iter().filter(is_open).cloned().collect();
    let records: Vec<_> = open
        .iter()
        .map(|(run_id, profile)| record::of(*run_id, "run", profile, &options.run_options))
        .collect();
    // What could not be reached in all the time of the wait is not tried again.
    let is_hopeless = client.is_none() && failure.code == ExitCode::DatabaseUnreachable;
    let mut published_versions = Vec::new();
    if !is_hopeless {
        published_versions = record::failed(database, client.as_deref(), &records, &failure).await;
    }
    if published_versions.is_empty() {
        return Err(failure_summary(failure, &open));
    }
    warn!(
        cause = failure.line(),
        "the connection was lost while publishing; the publication took place"
    );
    for (run_id, profile) in open {
        if let Some((_, version)) = published_versions.iter().find(|(id, _)| *id == run_id) {
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

pub(crate) fn outcome_of(failure: &Failure) -> Outcome {
    if failure.code == ExitCode::Terminated {
        Outcome::Canceled
    } else {
        Outcome::Failed
    }
}

/// The failure with the runs that it ended: it becomes the last line of the log.
pub(crate) fn failure_summary(failure: Failure, runs: &[(Uuid, String)]) -> Failure {
    let name = |(run_id, profile): &(Uuid, String)| match profile.as_str() {
        "" => format!("run {run_id}"),
        profile => format!("run {run_id} of profile {profile}"),
    };
    let names: Vec<String> = runs.iter().map(name).collect();
    let message = format!("{}: {}", names.join(", "), outcome_of(&failure).name());
    Failure::new(failure.code, message).context_from(failure)
}

/// Reads profiles and small inputs, and asks for the rest, before the database is asked for
/// anything.
async fn open(options: &LoadOptions, runs: &[(Uuid, String)]) -> Result<Vec<ProfileLoad>, Failure> {
    let paths = options.profiles.clone();
    let profiles = blocking(move || {
        let mut profiles: Vec<Profile> = Vec::with_capacity(paths.len());
        for path in paths {
            let profile = Profile::read(&path)?;
            if profiles.iter().any(|read| read.name == profile.name) {
                return Err(Failure::new(
                    ExitCode::Usage,
                    format!("profile {} is given twice", profile.name),
                ));
            }
            profiles.push(profile);
        }
        Ok(profiles)
    })
    .await?;
    let mut jobs = Vec::with_capacity(profiles.len());
    for (profile, (run_id, _)) in profiles.into_iter().zip(runs) {
        let (inputs, unreachable) = match open_sources(&profile, options).await {
            Ok(inputs) => (inputs, None),
            Err(failure) if may_stay(options, &failure) => (Vec::new(), Some(failure)),
            Err(failure) => return Err(failure),
        };
        let (run_id, production) = (*run_id, options.production);
        let key = options.hash_keys.writer().id().to_owned();
        let job = blocking(move || {
            let fingerprint = fingerprint(&profile.text, &inputs, &key, production);
            Ok(ProfileLoad {
                run_id,
                profile,
                inputs,
                fingerprint,
                unreachable,
            })
        });
        jobs.push(job.await?);
    }
    Ok(jobs)
}

/// Whether what is active may stay because a source cannot be reached.
fn may_stay(options: &LoadOptions, failure: &Failure) -> bool {
    options.sources.on_unreachable == OnUnreachable::Keep && sources::is_unreachable(failure)
}

async fn open_sources(profile: &Profile, options: &LoadOptions) -> Result<Vec<Input>, Failure> {
    let sources: Vec<Source> = profile.sources().cloned().collect();
    let inputs = sources::open(&sources, &options.sources).await?;
    if let Some(codes) = profile.operation(DatasetKind::CouponCodes) {
        // How many files a folder stands for is known only now.
        let is_of_codes = |input: &&Input| sources.get(input.source).is_some_and(|source| !source.is_table);
        let checked = codes.check_files(inputs.iter().filter(is_of_codes).count());
        let message = |problem| format!("profile {}: {problem}", profile.name);
        checked.map_err(|problem| Failure::new(ExitCode::Usage, message(problem)))?;
    }
    Ok(inputs)
}
