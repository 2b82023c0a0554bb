//! The steps of a run: find out what has changed, read, stage, publish.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use one_shot::{Heartbeat, RunRecord, SideChannel};
use process::failure::Failure;
use tokio_postgres::Client;

use super::command::{CommandRun, Prepared};
use super::decide::{self, Decision};
use super::progress::Progress;
use super::{
    LoadOptions, ProfileLoad, Summary, ValidatedProfile, blocking, connect, lock, may_stay, open,
    orphaned_staging, record, session, shrink_guard, stage,
};
use crate::datasets::DatasetKind;
use crate::datasets::Reading;
use crate::sources::{self, content_sha256};

/// A run in progress.
pub(super) struct Run<'a> {
    pub(super) command: &'a CommandRun<'a>,
    pub(super) options: &'a LoadOptions,
    /// Set when the result of reading is no longer needed.
    pub(super) interrupt: Arc<AtomicBool>,
}

impl Run<'_> {
    /// Everything up to the publication; `None` when there is nothing to publish. The connection it
    /// makes is put into `connected`, so that it outlives this work.
    pub(super) async fn stage(
        &self,
        connected: &mut Option<Arc<Client>>,
        summary: &mut Summary,
    ) -> Result<Option<Prepared>, Failure> {
        let (database, limits) = (self.command.database, self.command.options);
        let jobs = open(self.options, &self.command.runs).await?;
        let locks = Arc::new(connect::connect(database, limits.wait_timeout).await?);
        *connected = Some(Arc::clone(&locks));
        let loads = self.changed_sources(&locks, jobs, summary).await?;
        if loads.is_empty() {
            return Ok(None);
        }
        let progress = Progress::start();
        let run_ids = loads.iter().map(|job| job.run_id).collect();
        let heartbeat = Heartbeat::start(SideChannel::Shared(Arc::clone(&locks)), run_ids);
        let datasets = datasets(&loads);
        lock::acquire(&locks, &datasets, limits.lock_timeout, &progress).await?;
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
        let client = session::open_with(database, limits.lock_timeout).await?;
        orphaned_staging::remove_of(&locks, &datasets).await?;
        progress.phase("staging");
        let key = self.options.hash_keys.writer().id();
        let publications = stage::stage(database, &client, &changed, key, &progress).await?;
        Ok(Some(Prepared {
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
        let (run_id, profile) = (job.run_id, &job.profile.name);
        summary.add(self.command.ended(run_id, profile, outcome, active, Vec::new()));
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

    fn record<'b>(&'b self, job: &'b ProfileLoad) -> RunRecord<'b> {
        self.command.record(job.run_id, &job.profile.name)
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
