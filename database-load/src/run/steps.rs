//! The steps of a run: find out what is news, read, stage, publish.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use database::Database;
use process::exit::Failure;
use tokio_postgres::Client;
use tracing::Instrument as _;
use uuid::Uuid;

use super::decision::{self, Decision};
use super::progress::Progress;
use super::{
    Changes, Job, Outcome, ProfileRun, ReadJob, RunOptions, Staged, Summary, audit, blocking, failure, guard,
    heartbeat, leftovers, lock, open, prepare, publish, session, stage,
};
use crate::input::content_sha256;
use crate::profile::Dataset;
use crate::read::{self, Reading};

/// A run under way.
pub(super) struct Run<'a> {
    pub(super) database: &'a Database,
    pub(super) options: &'a RunOptions,
    /// Set when nobody waits for what is being read any more.
    pub(super) interrupt: Arc<AtomicBool>,
    pub(super) started: Instant,
}

/// Everything that waits to be published, and the connections: one holds the locks, the other has staged and publishes.
pub(super) struct AllStaged {
    jobs: Vec<Staged>,
    locks: Arc<Client>,
    client: Client,
    _heartbeat: heartbeat::Heartbeat,
    progress: Progress,
}

impl Run<'_> {
    /// Everything up to the publication; `None` when there is nothing to publish. The connection it makes is put into
    /// `connected`, so that it outlives this work.
    pub(super) async fn stage(
        &self,
        runs: &[(Uuid, String)],
        connected: &mut Option<Arc<Client>>,
        summary: &mut Summary,
    ) -> Result<Option<AllStaged>, Failure> {
        let jobs = open(self.options, runs).await?;
        let locks = Arc::new(prepare::connect(self.database, self.options.wait_timeout).await?);
        *connected = Some(Arc::clone(&locks));
        let loads = self.news(&locks, jobs, summary).await?;
        if loads.is_empty() {
            return Ok(None);
        }
        let progress = Progress::start();
        let run_ids = loads.iter().map(|job| job.run_id).collect();
        let heartbeat = heartbeat::start(Arc::clone(&locks), run_ids);
        let datasets = datasets(&loads);
        lock::acquire(&locks, &datasets, self.options.lock_timeout, &progress).await?;
        let mut news = Vec::new();
        for read in self.read_news(&locks, loads, &progress, summary).await? {
            guard::stored_keys(&locks, &read.job.profile.name, &read.data).await?;
            guard::shrinking(&locks, &read.job.profile, &read.data, self.options.force).await?;
            news.push(read);
        }
        if news.is_empty() {
            return Ok(None);
        }
        // Before anything is staged: a server without room for it is found out in time.
        let mut client = session::open(self.database).await?;
        if self.options.dry_run {
            self.try_out(&mut client, news, &progress, summary).await?;
            return Ok(None);
        }
        leftovers::remove_of(&locks, &datasets).await?;
        let mut jobs = Vec::new();
        for read in news {
            progress.phase(&format!("staging profile {}", read.job.profile.name));
            let key = self.options.hash_keys.writer().id();
            let (version, coupon_codes) = stage::stage(&client, &read, key, &progress).await?;
            jobs.push(Staged {
                job: read.job,
                version,
                active: read.active,
                coupon_codes,
            });
        }
        Ok(Some(AllStaged {
            jobs,
            locks,
            client,
            _heartbeat: heartbeat,
            progress,
        }))
    }

    /// The jobs that have something to do, which are recorded as running; the others are over.
    async fn news(
        &self,
        client: &Client,
        jobs: Vec<Job>,
        summary: &mut Summary,
    ) -> Result<Vec<Job>, Failure> {
        let (mut loads, mut lost) = (Vec::new(), Vec::new());
        for job in jobs {
            let (decision, left) = decision::decide(client, &job, self.options.force).await?;
            lost = left;
            if let Decision::Load { .. } = decision {
                loads.push(job);
                continue;
            }
            if !self.options.dry_run {
                audit::insert_finished(client, &job, &decision, &self.options.build).await?;
            }
            summary.add(self.done(&job, &decision));
        }
        if self.options.dry_run {
            return Ok(loads);
        }
        for job in &loads {
            audit::insert_running(client, job, &self.options.build).await?;
        }
        leftovers::sweep(client, &lost).await;
        Ok(loads)
    }

    /// Decides under the lock what is still news, before and after reading it.
    async fn read_news(
        &self,
        client: &Client,
        loads: Vec<Job>,
        progress: &Progress,
        summary: &mut Summary,
    ) -> Result<Vec<ReadJob>, Failure> {
        let mut decided = Vec::new();
        for job in loads {
            // Another run may have published while this one waited.
            match decision::decide(client, &job, self.options.force).await?.0 {
                Decision::Load { active } => decided.push((job, active)),
                done => self.finish(client, &job, &done, summary).await?,
            }
        }
        let mut news = Vec::new();
        for (job, active) in decided {
            progress.phase(&format!("reading profile {}", job.profile.name));
            let read = self.read(job, active).await?;
            if self.options.force {
                news.push(read);
                continue;
            }
            match decision::decide_by_content(client, &read, !self.options.dry_run).await? {
                Decision::Load { .. } => news.push(read),
                done => self.finish(client, &read.job, &done, summary).await?,
            }
        }
        Ok(news)
    }

    async fn finish(
        &self,
        client: &Client,
        job: &Job,
        decision: &Decision,
        summary: &mut Summary,
    ) -> Result<(), Failure> {
        if !self.options.dry_run {
            audit::finish(client, job, decision).await?;
        }
        summary.add(self.done(job, decision));
        Ok(())
    }

    async fn read(&self, job: Job, active: Option<i64>) -> Result<ReadJob, Failure> {
        let reading = Reading {
            hash_keys: self.options.hash_keys.clone(),
            production: self.options.production,
            interrupt: Arc::clone(&self.interrupt),
        };
        blocking(move || {
            let data = read::read(&job.profile, &job.inputs, &reading)?;
            let key = reading.hash_keys.writer().id();
            let content_sha256 = content_sha256(&job.profile.text, &job.inputs, key, reading.production)?;
            Ok(ReadJob {
                job,
                active,
                data,
                content_sha256,
            })
        })
        .await
    }

    /// Does everything in a transaction that is rolled back, to count what would change.
    async fn try_out(
        &self,
        client: &mut Client,
        news: Vec<ReadJob>,
        progress: &Progress,
        summary: &mut Summary,
    ) -> Result<(), Failure> {
        let transaction = client.transaction().await.map_err(failure::database("begin"))?;
        let patience = transaction.batch_execute("SET LOCAL lock_timeout = '5s'").await;
        patience.map_err(failure::database("begin"))?;
        for read in news {
            let job = &read.job;
            audit::insert_running(transaction.client(), job, &self.options.build).await?;
            let key = self.options.hash_keys.writer().id();
            let (version, codes) = stage::stage(transaction.client(), &read, key, progress).await?;
            let cancel = &self.options.cancel;
            let changes = publish::apply(&transaction, &job.profile, version, codes, cancel).await?;
            summary.add(self.ended(job, Outcome::DryRun, None, changes));
        }
        transaction
            .rollback()
            .await
            .map_err(failure::database("roll back"))
    }

    /// Makes everything that was staged the version in force.
    pub(super) async fn publish(&self, mut staged: AllStaged, summary: &mut Summary) -> Result<(), Failure> {
        staged.progress.phase("publishing");
        let span = tracing::info_span!("dataload.publish");
        let published = publish::publish(
            &mut staged.client,
            &staged.locks,
            &staged.jobs,
            &self.options.cancel,
        )
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
