//! The steps of a run: find out what has changed, read, stage, publish.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use database::Database;
use one_shot::{Deadline, Heartbeat, RunRecord, SideChannel};
use process::failure::Failure;
use tokio_postgres::Client;
use tracing::Instrument as _;
use uuid::Uuid;

use super::decide::{self, Decision};
use super::progress::Progress;
use super::publish::{self, Publication};
use super::{
    Changes, LoadOptions, Outcome, ProfileLoad, ProfileRun, Summary, ValidatedProfile, blocking, connect,
    lock, may_stay, open, orphaned_staging, record, session, shrink_guard, stage,
};
use crate::datasets::DatasetKind;
use crate::datasets::Reading;
use crate::sources::{self, content_sha256};

/// A run in progress.
pub(super) struct Run<'a> {
    pub(super) database: &'a Database,
    pub(super) options: &'a LoadOptions,
    pub(super) deadline: &'a Deadline,
    /// Set when the result of reading is no longer needed.
    pub(super) interrupt: Arc<AtomicBool>,
    pub(super) started: Instant,
}

/// Everything that waits to be published, and the connections: one holds the locks, the other has
/// staged and publishes.
pub(super) struct AllStaged {
    publications: Vec<Publication>,
    locks: Arc<Client>,
    client: Client,
    _heartbeat: Heartbeat,
    progress: Progress,
}

impl Run<'_> {
    /// Everything up to the publication; `None` when there is nothing to publish. The connection it
    /// makes is put into
    /// `connected`, so that it outlives this work.
    pub(super) async fn stage(
        &self,
        runs: &[(Uuid, String)],
        connected: &mut Option<Arc<Client>>,
        summary: &mut Summary,
    ) -> Result<Option<AllStaged>, Failure> {
        let jobs = open(self.options, runs).await?;
        let locks = Arc::new(connect::connect(self.database, self.options.run_options.wait_timeout).await?);
        *connected = Some(Arc::clone(&locks));
        let loads = self.changed_sources(&locks, jobs, summary).await?;
        if loads.is_empty() {
            return Ok(None);
        }
        let progress = Progress::start();
        let run_ids = loads.iter().map(|job| job.run_id).collect();
        let heartbeat = Heartbeat::start(SideChannel::Shared(Arc::clone(&locks)), run_ids);
        let datasets = datasets(&loads);
        lock::acquire(
            &locks,
            &datasets,
            self.options.run_options.lock_timeout,
            &progress,
        )
        .await?;
        let mut changed = Vec::new();
        for read in self
            .read_changed_sources(&locks, loads, &progress, summary)
            .await?
        {
            shrink_guard::stored_keys(&locks, &read.job.profile.name, &read.data).await?;
            shrink_guard::shrinking(&locks, &read.job.profile, &read.data, self.options.force).await?;
            changed.push(read);
        }
        if changed.is_empty() {
            return Ok(None);
        }
        // Before anything is staged: a server without room for it is found out in time.
        let client = session::open_with(self.database, self.options.run_options.lock_timeout).await?;
        orphaned_staging::remove_of(&locks, &datasets).await?;
        progress.phase("staging");
        let key = self.options.hash_keys.writer().id();
        let publications = stage::stage(self.database, &client, &changed, key, &progress).await?;
        Ok(Some(AllStaged {
            publications,
            locks,
            client,
            _heartbeat: heartbeat,
            progress,
        }))
    }

    /// The jobs that have something to do, which are recorded as running; the others are over.
    async fn changed_sources(
        &self,
        client: &Client,
        jobs: Vec<ProfileLoad>,
        summary: &mut Summary,
    ) -> Result<Vec<ProfileLoad>, Failure> {
        let (mut loads, mut lost) = (Vec::new(), Vec::new());
        for job in jobs {
            let (decision, left) = decide::decide(client, &job, self.options.force).await?;
            lost = left;
            if let Decision::Load { .. } = decision {
                loads.push(job);
                continue;
            }
            self.finish(client, &job, &decision, summary).await?;
        }
        for job in &loads {
            record::begin(client, &self.record(job)).await?;
        }
        orphaned_staging::sweep(client, &lost).await;
        Ok(loads)
    }

    /// Decides under the lock what has still changed, before and after reading it.
    async fn read_changed_sources(
        &self,
        client: &Client,
        loads: Vec<ProfileLoad>,
        progress: &Progress,
        summary: &mut Summary,
    ) -> Result<Vec<ValidatedProfile>, Failure> {
        let mut decided = Vec::new();
        for job in loads {
            // Another run may have published while this one waited.
            match decide::decide(client, &job, self.options.force).await?.0 {
                Decision::Load { active } => decided.push((job, active)),
                done => self.finish(client, &job, &done, summary).await?,
            }
        }
        let mut changed = Vec::new();
        for (mut job, active) in decided {
            progress.phase(&format!("reading profile {}", job.profile.name));
            if let Some(kept) = fetch(self.options, &mut job, active).await? {
                self.finish(client, &job, &kept, summary).await?;
                continue;
            }
            let read = self.read(job, active, progress).await?;
            if self.options.force {
                changed.push(read);
                continue;
            }
            match decide::decide_by_content(client, &read, true).await? {
                Decision::Load { .. } => changed.push(read),
                done => self.finish(client, &read.job, &done, summary).await?,
            }
        }
        Ok(changed)
    }

    async fn finish(
        &self,
        client: &Client,
        job: &ProfileLoad,
        decision: &Decision,
        summary: &mut Summary,
    ) -> Result<(), Failure> {
        // The reason why the sources were not compared.
        let message = job.unreachable.as_ref().map(Failure::line);
        let (outcome, active) = (decision.outcome(), decision.active());
        record::end(client, &self.record(job), outcome, active, message).await?;
        summary.add(self.done(job, decision));
        Ok(())
    }

    async fn read(
        &self,
        job: ProfileLoad,
        active: Option<i64>,
        progress: &Progress,
    ) -> Result<ValidatedProfile, Failure> {
        read_job(self.options, &self.interrupt, &progress.scan(), job, active).await
    }

    /// Makes everything that was staged the active version.
    pub(super) async fn publish(&self, mut staged: AllStaged, summary: &mut Summary) -> Result<(), Failure> {
        staged.progress.phase("publishing");
        let span = tracing::info_span!("dataload.publish");
        let locks = SideChannel::Shared(Arc::clone(&staged.locks));
        let AllStaged {
            publications, client, ..
        } = &mut staged;
        let published = publish::publish(client, &locks, publications, self.deadline)
            .instrument(span)
            .await?;
        for (publication, changes) in publications.iter().zip(published) {
            let Publication {
                run_id,
                profile,
                version,
                ..
            } = publication;
            summary.add(self.ended(*run_id, profile, Outcome::Changed, Some(*version), changes));
        }
        Ok(())
    }

    fn record<'a>(&'a self, job: &'a ProfileLoad) -> RunRecord<'a> {
        record::of(job.run_id, "run", &job.profile.name, &self.options.run_options)
    }

    fn done(&self, job: &ProfileLoad, decision: &Decision) -> ProfileRun {
        let (run_id, profile) = (job.run_id, &job.profile.name);
        self.ended(run_id, profile, decision.outcome(), decision.active(), Vec::new())
    }

    fn ended(
        &self,
        run_id: Uuid,
        profile: &str,
        outcome: Outcome,
        version: Option<i64>,
        changes: Vec<(&'static str, Changes)>,
    ) -> ProfileRun {
        ProfileRun {
            run_id,
            profile: profile.to_owned(),
            outcome,
            version,
            changes,
            elapsed: self.started.elapsed(),
        }
    }
}

/// Fetches what is elsewhere; the decision when it cannot be had and what is active may stay.
pub(super) async fn fetch(
    options: &LoadOptions,
    job: &mut ProfileLoad,
    active: Option<i64>,
) -> Result<Option<Decision>, Failure> {
    match sources::fetch(std::mem::take(&mut job.inputs)).await {
        Ok(inputs) => {
            job.inputs = inputs;
            Ok(None)
        }
        Err(failure) if may_stay(options, &failure) => {
            let kept = decide::keep(&job.profile.name, active, &failure)?;
            job.unreachable = Some(failure);
            Ok(Some(kept))
        }
        Err(failure) => Err(failure),
    }
}

/// Reads and validates what a job brings.
pub(super) async fn read_job(
    options: &LoadOptions,
    interrupt: &Arc<AtomicBool>,
    scan: &Arc<coupon_scan::Progress>,
    job: ProfileLoad,
    active: Option<i64>,
) -> Result<ValidatedProfile, Failure> {
    let reading = Reading {
        hash_keys: options.hash_keys.clone(),
        production: options.production,
        coupons: options.coupons.clone(),
        progress: Arc::clone(scan),
        interrupt: Arc::clone(interrupt),
    };
    blocking(move || {
        let data = super::read::read(&job.profile, &job.inputs, &reading)?;
        let key = reading.hash_keys.writer().id();
        let content_sha256 = content_sha256(&job.profile.text, &job.inputs, key, reading.production)?;
        Ok(ValidatedProfile {
            job,
            active,
            data,
            content_sha256,
        })
    })
    .await
}

/// What the jobs bring, each once, in a fixed order: locks are taken in it.
fn datasets(jobs: &[ProfileLoad]) -> Vec<DatasetKind> {
    let mut datasets: Vec<DatasetKind> = jobs.iter().flat_map(|job| job.profile.datasets()).collect();
    datasets.sort_unstable();
    datasets.dedup();
    datasets
}
