//! Calls the library for a subcommand and writes the answer.

use database_migration::roles::{self, Passwords};
use database_migration::{Back, Done, Error, Migrator};
use process::failure::{self, ExitCode, Failure};
use process::report::ProcessOutcome;
use process::telemetry::{self, Telemetry};
use tracing::{Instrument as _, info_span};

use crate::cli::{self, Command, Roles};
use crate::output::Output;

/// Standard output has all of them.
const FINDINGS_IN_A_LINE: usize = 10;

/// One call of the program.
pub(crate) struct Call<'a> {
    pub(crate) migrator: Migrator,
    pub(crate) roles: &'a roles::Settings,
    pub(crate) telemetry: &'a Telemetry,
    pub(crate) output: Output,
}

impl Call<'_> {
    pub(crate) async fn run(mut self, command: Command) -> Result<ProcessOutcome, Failure> {
        match command {
            Command::Up { to } => self.change(self.migrator.up(to)).await,
            Command::Down {
                back,
                allow_destructive,
            } => {
                self.migrator.allow_destructive = allow_destructive;
                self.change(self.migrator.down(how_far(&back))).await
            }
            Command::Status { exit_code } => self.status(exit_code).await,
            Command::Plan { to, sql } => self.plan(to, sql).await,
            Command::Validate => self.validate().await,
            Command::Repair => self.repair().await,
            Command::Roles(Roles::Apply) => self.apply_roles().await,
            Command::Roles(Roles::Check) => self.check_roles().await,
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
                let outcome = outcome_of(&error);
                span.record("migration.outcome", outcome);
                telemetry::fail(&span, &error);
                return Err(self.failed_run(&error));
            }
        };
        let outcome = if done.before == done.after {
            "unchanged"
        } else {
            "changed"
        };
        span.record("migration.outcome", outcome)
            .record("migration.version", done.after);
        let Done { run_id, after, .. } = done;
        let last_line = format!(
            "done: run {run_id}, outcome {outcome}, version {after}{}",
            done.given_up()
        );
        Ok(ProcessOutcome::new(ExitCode::Done, last_line))
    }

    async fn status(&self, exit_code: bool) -> Result<ProcessOutcome, Failure> {
        let status = self.migrator.status().await;
        let status = status.map_err(|error| failure(&error, "status"))?;
        self.output.answer("status", &status)?;
        Ok(ProcessOutcome::from(if exit_code {
            status.exit_code
        } else {
            ExitCode::Done
        }))
    }

    async fn plan(&self, to: Option<i32>, sql: bool) -> Result<ProcessOutcome, Failure> {
        let plan = self.migrator.plan(to).await;
        let mut plan = plan.map_err(|error| failure(&error, "plan"))?;
        plan.show_sql = sql;
        self.output.answer("plan", &plan)?;
        Ok(ExitCode::Done.into())
    }

    async fn validate(&self) -> Result<ProcessOutcome, Failure> {
        let found = self.migrator.validate().await;
        let found = found.map_err(|error| failure(&error, "validate"))?;
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
        let repaired = repaired.map_err(|error| self.failed_run(&error))?;
        let outcome = if repaired.changes.is_empty() {
            "unchanged"
        } else {
            "changed"
        };
        let last_line = format!(
            "done: run {}, outcome {outcome}, version {}, {} changes of the ledger",
            repaired.run_id,
            repaired.version,
            repaired.changes.len()
        );
        Ok(ProcessOutcome::new(ExitCode::Done, last_line))
    }

    async fn apply_roles(&self) -> Result<ProcessOutcome, Failure> {
        let passwords = self.passwords()?;
        let applied = self.migrator.apply_roles(&passwords).await;
        let applied = applied.map_err(|error| self.failed_run(&error))?;
        let outcome = if applied.changes.is_empty() {
            "unchanged"
        } else {
            "changed"
        };
        self.output.answer("roles", &applied)?;
        let count = match applied.changes.len() {
            1 => "1 change".to_owned(),
            count => format!("{count} changes"),
        };
        let last_line = format!(
            "done: run {}, outcome {outcome}, {count} of roles",
            applied.run_id
        );
        Ok(ProcessOutcome::new(ExitCode::Done, last_line))
    }

    async fn check_roles(&self) -> Result<ProcessOutcome, Failure> {
        let passwords = self.passwords()?;
        let checked = self.migrator.check_roles(&passwords).await;
        let checked = checked.map_err(|error| failure(&error, "roles check"))?;
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
        let version = self.migrator.wait(for_version).await;
        let version = version.map_err(|error| failure(&error, "wait"))?;
        let last_line = format!("done: the database is at version {version}");
        Ok(ProcessOutcome::new(ExitCode::Done, last_line))
    }

    /// The error of a run that has an id and an outcome.
    fn failed_run(&self, error: &Error) -> Failure {
        let version = self
            .migrator
            .version()
            .map_or_else(|| "unknown".into(), |version| version.to_string());
        let run_id = self.migrator.run_id;
        let outcome = outcome_of(error);
        failure(
            error,
            &format!("run {run_id}, outcome {outcome}, version {version}"),
        )
    }
}

fn how_far(back: &cli::Back) -> Back {
    match back.steps {
        Some(steps) => Back::Steps(steps),
        None => Back::To(back.to.unwrap_or_default()),
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
fn failure(error: &Error, context: &str) -> Failure {
    let (line, hint) = (failure::line(error), error.hint());
    Failure::new(error.exit_code(), format!("{context}: {line}. To do: {hint}"))
}
