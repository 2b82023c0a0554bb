//! Calls the library for a subcommand and writes the answer.

use std::borrow::Borrow;

use database_migration::partitions;
use database_migration::roles::{self, Changes, Passwords};
use database_migration::{Done, Error, Migrator, Repaired};
use process::failure::{self, ExitCode, Failure};
use process::report::ProcessOutcome;
use process::telemetry::{self, Telemetry};
use tracing::{Instrument as _, info, info_span, warn};

use crate::cli::{Command, PartitionOptions, Roles};
use crate::output::Output;

/// Standard output has all of them.
const FINDINGS_IN_A_LINE: usize = 10;

/// One call of the program.
pub(crate) struct Call<'a> {
    pub(crate) migrator: Migrator,
    pub(crate) roles: &'a roles::Settings,
    pub(crate) partitions: &'a partitions::Settings,
    pub(crate) telemetry: &'a Telemetry,
    pub(crate) output: Output,
}

impl Call<'_> {
    pub(crate) async fn run(mut self, command: Command) -> Result<ProcessOutcome, Failure> {
        match command {
            Command::Up { to } => {
                let mut ahead = None;
                let work = async {
                    let done = self.migrator.up(to).await?;
                    ahead = done.partitions_ahead;
                    Ok(done)
                };
                let outcome = self.change(work).await?;
                if to.is_none() && ahead.is_none_or(|ahead| ahead < self.partitions.ahead) {
                    self.keep_partitions_ahead().await;
                }
                Ok(outcome)
            }
            Command::Down {
                back,
                allow_destructive,
            } => {
                self.migrator.allow_destructive = allow_destructive;
                self.change(self.migrator.down(back.into())).await
            }
            Command::Status { exit_code } => self.status(exit_code).await,
            Command::Plan { to, sql } => self.plan(to, sql).await,
            Command::Validate => self.validate().await,
            Command::Repair => self.repair().await,
            Command::Partitions(options) => self.partitions(options).await,
            Command::Roles(Roles::Apply) => self.apply_roles().await,
            Command::Roles(Roles::Check) => self.check_roles().await,
            // Has been done, without a database.
            Command::Alive => Ok(ExitCode::Done.into()),
            Command::Wait { for_version } => self.wait(for_version).await,
        }
    }

    /// Runs `up` or `down` inside the root span of the pod's trace, and says how it ended in the
    /// line to end with.
    async fn change(
        &self,
        work: impl Future<Output = Result<Done, Error>>,
    ) -> Result<ProcessOutcome, Failure> {
        let span = info_span!(
            "migration.execute",
            migration.run_id = %self.migrator.run_id,
            migration.outcome = tracing::field::Empty,
            migration.version = tracing::field::Empty,
        );
        self.telemetry.adopt(&span);
        let done = match work.instrument(span.clone()).await {
            Ok(done) => done,
            Err(error) => {
                span.record("migration.outcome", outcome_of(&error));
                telemetry::fail(&span, &error);
                return Err(self.failed_run(&error));
            }
        };
        let Done {
            run_id,
            before,
            after,
            ..
        } = done;
        let outcome = outcome(before != after);
        span.record("migration.outcome", outcome)
            .record("migration.version", after);
        let given_up = done.given_up();
        let last_line = format!("done: run {run_id}, outcome {outcome}, version {after}{given_up}");
        Ok(ProcessOutcome::new(ExitCode::Done, last_line))
    }

    async fn status(&self, exit_code: bool) -> Result<ProcessOutcome, Failure> {
        let status = self.migrator.status().await.map_err(failure("status"))?;
        self.output.answer("status", &status)?;
        let code = if exit_code {
            status.exit_code
        } else {
            ExitCode::Done
        };
        Ok(code.into())
    }

    async fn plan(&self, to: Option<i32>, sql: bool) -> Result<ProcessOutcome, Failure> {
        let mut plan = self.migrator.plan(to).await.map_err(failure("plan"))?;
        plan.show_sql = sql;
        self.output.answer("plan", &plan)?;
        Ok(ExitCode::Done.into())
    }

    async fn validate(&self) -> Result<ProcessOutcome, Failure> {
        let found = self.migrator.validate().await.map_err(failure("validate"))?;
        self.output.answer("validation", &found)?;
        if found.exit_code == ExitCode::Done {
            return Ok(ExitCode::Done.into());
        }
        let findings: Vec<&str> = found.findings().collect();
        let message = format!("validate: {}", findings.join("; "));
        Err(Failure::new(found.exit_code, message))
    }

    async fn repair(&self) -> Result<ProcessOutcome, Failure> {
        let repaired = self.migrator.repair().await;
        let Repaired {
            run_id,
            version,
            changes,
        } = repaired.map_err(|error| self.failed_run(&error))?;
        let (outcome, count) = (outcome(!changes.is_empty()), changes.len());
        let last_line = format!(
            "done: run {run_id}, outcome {outcome}, version {version}, {count} changes of the ledger"
        );
        Ok(ProcessOutcome::new(ExitCode::Done, last_line))
    }

    async fn partitions(&self, options: PartitionOptions) -> Result<ProcessOutcome, Failure> {
        let mut settings = self.partitions.clone();
        settings.ahead = options.ahead.unwrap_or(settings.ahead);
        settings.interval = options.interval.unwrap_or(settings.interval);
        settings.retain_days = options.retain.unwrap_or(settings.retain_days);
        settings.export_dir = options.export.or(settings.export_dir);
        let done = self.migrator.partitions(&settings).await;
        let done = done.map_err(|error| self.failed_run(&error))?;
        self.output.answer("partitions", &done)?;
        let outcome = outcome(!done.changes.is_empty());
        let last_line = format!(
            "done: run {}, outcome {outcome}, {} partitions lie ahead",
            done.run_id, done.ahead
        );
        Ok(ProcessOutcome::new(ExitCode::Done, last_line))
    }

    /// After `up`, which brings the schema whether this succeeds or not: takes nothing away.
    async fn keep_partitions_ahead(&self) {
        let mut settings = self.partitions.clone();
        settings.retain_days = 0;
        let made = async {
            match self.migrator.needs_partitions(&settings).await? {
                true => Ok(self.migrator.partitions(&settings).await?.changes),
                false => Ok::<_, Error>(Vec::new()),
            }
        };
        match made.await {
            Ok(changes) => changes.iter().for_each(|change| info!("{change}")),
            Err(error) => warn!(
                error = failure::line(&error),
                "the partitions ahead could not be made; database-migration partitions makes them"
            ),
        }
    }

    async fn apply_roles(&self) -> Result<ProcessOutcome, Failure> {
        let applied = self.migrator.apply_roles(&self.passwords()?).await;
        let applied = applied.map_err(|error| self.failed_run(&error))?;
        self.output.answer("roles", &applied)?;
        let Changes { run_id, changes, .. } = applied;
        let outcome = outcome(!changes.is_empty());
        let count = match changes.len() {
            1 => "1 change".to_owned(),
            count => format!("{count} changes"),
        };
        let last_line = format!("done: run {run_id}, outcome {outcome}, {count} of roles");
        Ok(ProcessOutcome::new(ExitCode::Done, last_line))
    }

    async fn check_roles(&self) -> Result<ProcessOutcome, Failure> {
        let checked = self.migrator.check_roles(&self.passwords()?).await;
        let checked = checked.map_err(failure("roles check"))?;
        self.output.answer("roles", &checked)?;
        if checked.findings.is_empty() {
            return Ok(ExitCode::Done.into());
        }
        let (first, rest) = checked
            .findings
            .split_at(checked.findings.len().min(FINDINGS_IN_A_LINE));
        let more = match rest.len() {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let message = format!(
            "roles check: {}{more}. To do: database-migration roles apply",
            first.join("; ")
        );
        Err(Failure::new(ExitCode::Prerequisite, message))
    }

    /// Read when they are needed: the pods that migrate have none of them.
    fn passwords(&self) -> Result<Passwords, Failure> {
        Passwords::read(self.roles).map_err(|invalid| Failure::new(ExitCode::Usage, invalid.to_string()))
    }

    async fn wait(&self, for_version: Option<i32>) -> Result<ProcessOutcome, Failure> {
        let version = self.migrator.wait(for_version).await.map_err(failure("wait"))?;
        let last_line = format!("done: the database is at version {version}");
        Ok(ProcessOutcome::new(ExitCode::Done, last_line))
    }

    /// The error of a run that has an id and an outcome.
    fn failed_run(&self, error: &Error) -> Failure {
        let version = self.migrator.version();
        let version = version.map_or_else(|| "unknown".into(), |version| version.to_string());
        let (run_id, outcome) = (self.migrator.run_id, outcome_of(error));
        failure(&format!("run {run_id}, outcome {outcome}, version {version}"))(error)
    }
}

fn outcome(has_changed: bool) -> &'static str {
    match has_changed {
        true => "changed",
        false => "unchanged",
    }
}

fn outcome_of(error: &Error) -> &'static str {
    match error.is_signal() {
        true => "canceled",
        false => "failed",
    }
}

/// The migrator's error with its exit code and what to do about it; `context` stands first in the
/// line.
fn failure<E: Borrow<Error>>(context: &str) -> impl Fn(E) -> Failure {
    move |error| {
        let error = error.borrow();
        let (line, hint) = (failure::line(error), error.hint());
        Failure::new(error.exit_code(), format!("{context}: {line}. To do: {hint}"))
    }
}
