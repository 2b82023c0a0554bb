//! One run of the loader: decide, read, stage, publish; every step is recorded.

pub(crate) mod command;
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
use std::sync::atomic::Ordering;

use database::Database;
use process::failure::{ExitCode, Failure};
use shop::HashKeys;
use uuid::Uuid;

pub use plan::{Plan, ProfilePlan, plan};
pub use read::read;
pub use summary::{Changes, Outcome, ProfileRun, Summary};

use crate::coupons;
use crate::datasets::{Data, DatasetKind};
use crate::profile::Profile;
use crate::run_options::{self, RunOptions};
use crate::sources::{self, Fingerprint, Input, OnUnreachable, Source, blocking, fingerprint};
use command::CommandRun;
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
    let runs = runs(&options.profiles);
    let command = CommandRun::start(database, "run", &options.run_options, runs);
    let run = Run {
        command: &command,
        options,
        interrupt: Arc::default(),
    };
    let (mut client, mut summary) = (None, Summary::default());
    // Dropping the work rolls back what is in progress; only the publication ends by itself.
    let staged = run_options::or_stop(&command.deadline, run.stage(&mut client, &mut summary)).await;
    run.interrupt.store(true, Ordering::Relaxed);
    command.publish(client.as_deref(), staged, summary).await
}

/// A run id for each profile, with its name.
fn runs(profiles: &[PathBuf]) -> Vec<(Uuid, String)> {
    let run = |path: &PathBuf| (Uuid::now_v7(), Profile::name_of(path));
    profiles.iter().map(run).collect()
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
