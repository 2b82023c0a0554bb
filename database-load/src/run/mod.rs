//! One run of the loader: decide, read, stage, publish; every step is recorded.

mod audit;
mod decision;
mod failure;
mod guard;
mod heartbeat;
mod lock;
mod prepare;
mod progress;
mod publish;
mod stage;
mod summary;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use database::Database;
use process::exit::{ExitCode, Failure, OrExit as _};
use shop::HashKeys;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span, warn};
use uuid::Uuid;

pub use summary::{Changes, Outcome, ProfileRun, Summary};

use crate::input::{Fingerprint, Input, fingerprint};
use crate::profile::{Dataset, Profile};
use crate::read::{self, Data, Reading};
use decision::Decision;
pub(crate) use prepare::connect;
use progress::Progress;

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

/// A job whose rows lie under a version of their own, not yet active.
struct Staged {
    job: Job,
    version: i64,
    /// The version that was active when the decision was made.
    active: Option<i64>,
    coupon_codes: Changes,
}

/// Brings the profiles' data to the version in their sources: all of them become visible together, or none.
///
/// # Errors
/// [`Failure`] with the exit code of the process; the active data are what they were before.
pub async fn run(database: &Database, options: &RunOptions) -> Result<Summary, Failure> {
    let started = Instant::now();
    let jobs = open(options).await?;
    let profiles: Vec<(Uuid, String)> = jobs
        .iter()
        .map(|job| (job.run_id, job.profile.name.clone()))
        .collect();
    let interrupt = Arc::new(AtomicBool::new(false));
    let run = Run {
        database,
        options,
        interrupt: Arc::clone(&interrupt),
        started,
    };
    let mut summary = Summary::default();
    // Dropping the work rolls back what is under way; only the publication ends by itself.
    let staged = tokio::select! {
        biased;
        () = options.cancel.cancelled() => Err(failure::canceled()),
        staged = run.stage(jobs, &mut summary) => staged,
    };
    interrupt.store(true, Ordering::Relaxed);
    let published = match staged {
        Ok(staged) if staged.jobs.is_empty() || options.dry_run => Ok(()),
        Ok(staged) => run.publish(staged, &mut summary).await,
        Err(failure) => Err(failure),
    };
    let Err(failure) = published else {
        return Ok(summary);
    };
    if options.dry_run {
        return Err(failure);
    }
    let in_force = audit::failed(database, &profiles, &failure).await;
    if in_force.is_empty() {
        return Err(failure);
    }
    warn!(
        cause = failure.line(),
        "the connection was lost while publishing; the publication took place"
    );
    for (run_id, profile) in profiles {
        if let Some((_, version)) = in_force.iter().find(|(id, _)| *id == run_id) {
            let (version, elapsed) = (Some(*version), started.elapsed());
            let (outcome, changes) = (Outcome::Changed, Vec::new());
            summary.add(ProfileRun {
                run_id,
                profile,
                outcome,
                version,
                changes,
                elapsed,
            });
        }
    }
    Ok(summary)
}

/// Reads profiles and small inputs, before the database is asked for anything.
async fn open(options: &RunOptions) -> Result<Vec<Job>, Failure> {
    let options = options.clone();
    let open = move || {
        let mut jobs: Vec<Job> = Vec::with_capacity(options.profiles.len());
        for path in &options.profiles {
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
                run_id: Uuid::now_v7(),
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

struct Run<'a> {
    database: &'a Database,
    options: &'a RunOptions,
    interrupt: Arc<AtomicBool>,
    started: Instant,
}

/// Everything that waits to be published, and the connection that holds the locks meanwhile.
struct AllStaged {
    jobs: Vec<Staged>,
    _locks: Client,
    _heartbeat: Option<heartbeat::Heartbeat>,
    progress: Progress,
}

impl Run<'_> {
    async fn stage(&self, jobs: Vec<Job>, summary: &mut Summary) -> Result<AllStaged, Failure> {
        let mut client = prepare::connect(self.database, self.options.wait_timeout).await?;
        let mut loads = Vec::new();
        for job in jobs {
            match self.decide(&client, &job).await? {
                Decision::Load { .. } => loads.push(job),
                done => {
                    if !self.options.dry_run {
                        audit::insert_finished(&client, &job, &done, &self.options.build).await?;
                    }
                    summary.add(self.done(&job, &done));
                }
            }
        }
        let progress = Progress::start();
        if loads.is_empty() {
            return Ok(AllStaged {
                jobs: Vec::new(),
                _locks: client,
                _heartbeat: None,
                progress,
            });
        }
        let mut heartbeat = None;
        if !self.options.dry_run {
            for job in &loads {
                audit::insert_running(&client, job, &self.options.build).await?;
            }
            heartbeat = Some(heartbeat::start(
                self.database,
                loads.iter().map(|job| job.run_id).collect(),
            ));
        }
        let datasets = datasets(&loads);
        progress.phase("waiting for other loads");
        lock::acquire(&client, &datasets, self.options.lock_timeout).await?;
        // Another run may have published while this one waited.
        let mut decided = Vec::new();
        for job in loads {
            match self.decide(&client, &job).await? {
                Decision::Load { active } => decided.push((job, active)),
                done => {
                    if !self.options.dry_run {
                        audit::finish(&client, &job, &done).await?;
                    }
                    summary.add(self.done(&job, &done));
                }
            }
        }
        let mut read = Vec::new();
        for (job, active) in decided {
            progress.phase(&format!("reading profile {}", job.profile.name));
            let (job, data) = self.read(job).await?;
            read.push((job, active, data));
        }
        for (job, _, data) in &read {
            guard::stored_keys(&client, &job.profile.name, data).await?;
            guard::shrinking(&client, &job.profile, data, self.options.force).await?;
        }
        if self.options.dry_run {
            self.try_out(&mut client, read, &progress, summary).await?;
            return Ok(AllStaged {
                jobs: Vec::new(),
                _locks: client,
                _heartbeat: None,
                progress,
            });
        }
        stage::remove_leftovers(&client, &datasets).await?;
        let mut jobs = Vec::new();
        for (job, active, data) in read {
            progress.phase(&format!("staging profile {}", job.profile.name));
            let (version, coupon_codes) = stage::stage(
                &client,
                &job,
                &data,
                self.options.hash_keys.writer().id(),
                &progress,
            )
            .await?;
            jobs.push(Staged {
                job,
                version,
                active,
                coupon_codes,
            });
        }
        Ok(AllStaged {
            jobs,
            _locks: client,
            _heartbeat: heartbeat,
            progress,
        })
    }

    async fn decide(&self, client: &Client, job: &Job) -> Result<Decision, Failure> {
        decision::decide(client, job, self.options.force).await
    }

    async fn read(&self, job: Job) -> Result<(Job, Data), Failure> {
        let reading = Reading {
            hash_keys: self.options.hash_keys.clone(),
            production: self.options.production,
            interrupt: Arc::clone(&self.interrupt),
        };
        blocking(move || {
            let data = read::read(&job.profile, &job.inputs, &reading)?;
            Ok((job, data))
        })
        .await
    }

    /// Does everything in a transaction that is rolled back, to count what would change.
    async fn try_out(
        &self,
        client: &mut Client,
        read: Vec<(Job, Option<i64>, Data)>,
        progress: &Progress,
        summary: &mut Summary,
    ) -> Result<(), Failure> {
        let transaction = client.transaction().await.map_err(failure::database("begin"))?;
        for (job, _, data) in read {
            audit::insert_running(transaction.client(), &job, &self.options.build).await?;
            let key = self.options.hash_keys.writer().id();
            let (version, codes) = stage::stage(transaction.client(), &job, &data, key, progress).await?;
            let changes = publish::try_out(&transaction, &job.profile, version, codes).await?;
            summary.add(self.ended(&job, Outcome::DryRun, None, changes));
        }
        transaction
            .rollback()
            .await
            .map_err(failure::database("roll back"))
    }

    async fn publish(&self, staged: AllStaged, summary: &mut Summary) -> Result<(), Failure> {
        staged.progress.phase("publishing");
        let span = tracing::info_span!("dataload.publish");
        let published = publish::publish(self.database, &staged.jobs, &self.options.cancel)
            .instrument(span)
            .await?;
        for (staged, changes) in staged.jobs.iter().zip(published) {
            summary.add(self.ended(&staged.job, Outcome::Changed, Some(staged.version), changes));
        }
        Ok(())
    }

    fn done(&self, job: &Job, decision: &Decision) -> ProfileRun {
        self.ended(job, decision.outcome(), decision.active(), Vec::new())
    }

    fn ended(
        &self,
        job: &Job,
        outcome: Outcome,
        version: Option<i64>,
        changes: Vec<(&'static str, Changes)>,
    ) -> ProfileRun {
        let profile = job.profile.name.clone();
        ProfileRun {
            run_id: job.run_id,
            profile,
            outcome,
            version,
            changes,
            elapsed: self.started.elapsed(),
        }
    }
}

/// What the jobs bring, each once, in a fixed order: locks are taken in it.
fn datasets(jobs: &[Job]) -> Vec<Dataset> {
    let mut datasets: Vec<Dataset> = jobs.iter().flat_map(|job| job.profile.datasets()).collect();
    datasets.sort_unstable();
    datasets.dedup();
    datasets
}
