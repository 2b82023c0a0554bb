//! A command whose runs are recorded: what it prepared is published, and how it ended is noted.

use std::sync::Arc;
use std::time::Instant;

use database::Database;
use one_shot::{Deadline, Heartbeat, RunRecord, SideChannel};
use process::failure::{ExitCode, Failure};
use process::panics;
use tokio_postgres::Client;
use tracing::{Instrument as _, Span, info_span, warn};
use uuid::Uuid;

use super::progress::Progress;
use super::publish::{self, PerTable, Publication};
use super::{Outcome, ProfileRun, Summary, TASK, record};
use crate::run_options::RunOptions;

/// A command from its start, and the rows of `bootstrap_runs` that it writes.
pub(crate) struct CommandRun<'a> {
    pub(crate) database: &'a Database,
    name: &'static str,
    pub(crate) options: &'a RunOptions,
    /// Ids and profiles; the empty profile stands for all of them.
    pub(crate) runs: Vec<(Uuid, String)>,
    pub(crate) deadline: Deadline,
    started: Instant,
}

/// Everything that waits to be published, and the connections: one holds the locks, the other has
/// staged and publishes.
pub(crate) struct Prepared {
    pub(crate) publications: Vec<Publication>,
    pub(crate) locks: Arc<Client>,
    pub(crate) client: Client,
    pub(crate) _heartbeat: Heartbeat,
    pub(crate) progress: Progress,
}

impl<'a> CommandRun<'a> {
    /// Starts the clock, and records the ids on the current span.
    pub(crate) fn start(
        database: &'a Database,
        name: &'static str,
        options: &'a RunOptions,
        runs: Vec<(Uuid, String)>,
    ) -> CommandRun<'a> {
        let ids: Vec<String> = runs.iter().map(|(id, _)| id.to_string()).collect();
        Span::current().record("run_id", ids.join(","));
        CommandRun {
            database,
            name,
            options,
            runs,
            deadline: options.deadline(),
            started: Instant::now(),
        }
    }

    /// The record of one of the runs.
    pub(crate) fn record<'b>(&'b self, run_id: Uuid, profile: &'b str) -> RunRecord<'b> {
        RunRecord {
            run_id,
            task: TASK,
            command: self.name,
            profile: (!profile.is_empty()).then_some(profile),
            build: &self.options.build,
            trigger: Some(self.options.trigger),
            started: Instant::now(),
        }
    }

    /// Records the runs as running; shows that they are alive, and how far they are.
    pub(crate) async fn begin(&self, client: &Arc<Client>) -> Result<(Heartbeat, Progress), Failure> {
        for (run_id, profile) in &self.runs {
            record::begin(client, &self.record(*run_id, profile)).await?;
        }
        let ids = self.runs.iter().map(|(run_id, _)| *run_id).collect();
        let heartbeat = Heartbeat::start(SideChannel::Shared(Arc::clone(client)), ids);
        Ok((heartbeat, Progress::start()))
    }

    pub(super) fn ended(
        &self,
        run_id: Uuid,
        profile: &str,
        outcome: Outcome,
        version: Option<i64>,
        changes: PerTable,
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

    /// Publishes what was prepared, if anything is to be published; records how the runs ended, and
    /// the outcomes on the current span. `client` is the connection of the runs, if they had one.
    ///
    /// # Errors
    /// [`Failure`] that names the runs; the active data are what they were before.
    pub(crate) async fn publish(
        &self,
        client: Option<&Client>,
        prepared: Result<Option<Prepared>, Failure>,
        mut summary: Summary,
    ) -> Result<Summary, Failure> {
        let published = match prepared {
            Ok(None) => Ok(()),
            Ok(Some(prepared)) => {
                let published = panics::caught_in(self.publish_all(prepared, &mut summary)).await;
                published.unwrap_or_else(|panicked| Err(panicked.into()))
            }
            Err(failure) => Err(failure),
        };
        let result = match published {
            Ok(()) => Ok(()),
            Err(failure) => self.fail(client, failure, &mut summary).await,
        };
        let mut outcomes: Vec<&str> = summary.profiles.iter().map(|run| run.outcome.name()).collect();
        outcomes.extend(result.as_ref().err().map(|failure| outcome_of(failure).name()));
        outcomes.dedup();
        Span::current().record("outcome", outcomes.join(","));
        result.map(|()| summary)
    }

    async fn publish_all(&self, mut prepared: Prepared, summary: &mut Summary) -> Result<(), Failure> {
        prepared.progress.phase("publishing");
        let locks = SideChannel::Shared(Arc::clone(&prepared.locks));
        let publications = &prepared.publications;
        let published = publish::publish(&mut prepared.client, &locks, publications, &self.deadline)
            .instrument(info_span!("dataload.publish"))
            .await?;
        for (publication, changes) in publications.iter().zip(published) {
            let outcome = publish::outcome(publication, &changes);
            let (run_id, profile) = (publication.run_id, &publication.profile);
            summary.add(self.ended(run_id, profile, outcome, Some(publication.version), changes));
        }
        Ok(())
    }

    /// The answer to a commit can get lost: then the publication took place.
    async fn fail(
        &self,
        client: Option<&Client>,
        failure: Failure,
        summary: &mut Summary,
    ) -> Result<(), Failure> {
        // Of several profiles some may have had nothing to do: their runs are over.
        let is_open = |run: &&(Uuid, String)| summary.profiles.iter().all(|done| done.run_id != run.0);
        let open: Vec<(Uuid, String)> = self.runs.iter().filter(is_open).cloned().collect();
        let published = self.record_failure(client, &open, &failure).await;
        if published.is_empty() {
            return Err(failure_summary(failure, &open));
        }
        warn!(
            cause = failure.line(),
            "the connection was lost while publishing; the publication took place"
        );
        for (run_id, profile) in open {
            if let Some((_, version)) = published.iter().find(|(id, _)| *id == run_id) {
                summary.add(self.ended(run_id, &profile, Outcome::Changed, Some(*version), Vec::new()));
            }
        }
        Ok(())
    }

    /// As [`record::failed`], unless no connection was had in all the time of the wait: that is not
    /// tried again.
    pub(crate) async fn record_failure(
        &self,
        client: Option<&Client>,
        runs: &[(Uuid, String)],
        failure: &Failure,
    ) -> Vec<(Uuid, i64)> {
        if client.is_none() && failure.code == ExitCode::DatabaseUnreachable {
            return Vec::new();
        }
        let records: Vec<_> = runs
            .iter()
            .map(|(run_id, profile)| self.record(*run_id, profile))
            .collect();
        record::failed(self.database, client, &records, failure).await
    }
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
