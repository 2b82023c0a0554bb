//! The subcommands: what each asks of the library, and how it answers.

use std::cell::Cell;

use database::Database;
use database_load::profile::Profile;
use database_load::settings::Settings;
use database_load::{
    Answer, LoadOptions, Outcome, ProfileRun, RollbackOptions, RunOptions, Summary, Target, freshness,
    history, plan, prune, rollback, run, status, verify,
};
use process::failure::{ExitCode, Failure, OrExit as _};
use process::report::ProcessOutcome;
use process::telemetry::{self, Telemetry};
use serde_json::json;
use tracing::{Instrument as _, Span};
use uuid::Uuid;

use crate::cli::{Command, Freshness, History, Load, Prune, Rollback, Run};

/// What the commands share.
pub(crate) struct Commands<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) database: &'a Database,
    pub(crate) telemetry: &'a Telemetry,
    pub(crate) run_options: RunOptions,
    /// Whether answers are JSON.
    pub(crate) json: bool,
    /// Whether the one answer was given.
    pub(crate) has_answered: &'a Cell<bool>,
}

impl Commands<'_> {
    pub(crate) async fn execute(&self, command: Command) -> Result<ProcessOutcome, Failure> {
        match command {
            // Have been done, without a database.
            Command::Coupons(_) | Command::Alive => Ok(ExitCode::Done.into()),
            Command::Run(Run { load, dry_run: false }) => self.run(&load).await,
            Command::Run(Run { load, .. }) | Command::Plan(load) => self.plan(&load).await,
            Command::Status => self.show(&status(self.database, &self.run_options).await?),
            Command::History(arguments) => self.history(arguments).await,
            Command::Verify(arguments) => self.verify(names(&arguments.profiles)).await,
            Command::Rollback(arguments) => self.rollback(arguments).await,
            Command::Prune(arguments) => self.prune(arguments).await,
            Command::Freshness(arguments) => self.freshness(arguments).await,
        }
    }

    async fn run(&self, load: &Load) -> Result<ProcessOutcome, Failure> {
        let options = self.options(load)?;
        let span = tracing::info_span!(
            "dataload.execute",
            profiles = names_of(&options).join(","),
            run_id = tracing::field::Empty,
            outcome = tracing::field::Empty
        );
        self.telemetry.adopt(&span);
        let summary = traced(span, run(self.database, &options)).await?;
        self.done(&summary)
    }

    async fn plan(&self, load: &Load) -> Result<ProcessOutcome, Failure> {
        let plan = plan(self.database, &self.options(load)?).await?;
        self.show(&Answer::from(&plan))?;
        let said = plan.profiles.iter().map(|plan| {
            let outcome = match plan.outcome {
                Outcome::Changed => "would change",
                other => other.name(),
            };
            said(plan.run_id, &plan.profile, &format!("dry run, {outcome}"))
        });
        Ok(ProcessOutcome::new(ExitCode::Done, last_line(said)))
    }

    async fn history(&self, History { of, limit }: History) -> Result<ProcessOutcome, Failure> {
        let profiles = names(&of.profiles);
        self.show(&history(self.database, &self.run_options, &profiles, limit).await?)
    }

    async fn verify(&self, profiles: Vec<String>) -> Result<ProcessOutcome, Failure> {
        let verification = verify(self.database, &self.run_options, &profiles).await?;
        let done = self.show(&Answer::from(&verification))?;
        let Some(first) = verification.first_drift() else {
            return Ok(done);
        };
        let message = format!("the data are not those that were loaded: {first}");
        Err(Failure::new(ExitCode::Drift, message))
    }

    async fn rollback(&self, arguments: Rollback) -> Result<ProcessOutcome, Failure> {
        let options = RollbackOptions {
            profile: self.one_profile(arguments.profile.as_deref())?,
            target: arguments.to.map_or(Target::Previous, Target::Version),
            hash_keys: self.settings.hash_keys()?,
            run_options: self.run_options.clone(),
        };
        let span = tracing::info_span!(
            "dataload.rollback",
            profile = options.profile,
            run_id = tracing::field::Empty,
            outcome = tracing::field::Empty
        );
        let summary = traced(span, rollback(self.database, &options)).await?;
        self.done(&summary)
    }

    async fn prune(&self, Prune { of, keep }: Prune) -> Result<ProcessOutcome, Failure> {
        let span = tracing::info_span!(
            "dataload.prune",
            run_id = tracing::field::Empty,
            outcome = tracing::field::Empty
        );
        let profiles = names(&of.profiles);
        let pruned = traced(span, prune(self.database, &self.run_options, &profiles, keep)).await?;
        self.show(&Answer::from(&pruned))?;
        let line = format!("done: run {}, outcome {}", pruned.run_id, pruned.outcome().name());
        Ok(ProcessOutcome::new(ExitCode::Done, line))
    }

    async fn freshness(&self, Freshness { of, max_age }: Freshness) -> Result<ProcessOutcome, Failure> {
        let profiles = names(&of.profiles);
        let (answer, verdict) = freshness(self.database, &self.run_options, &profiles, max_age).await?;
        let done = self.show(&answer)?;
        verdict.map(|()| done)
    }

    fn options(&self, load: &Load) -> Result<LoadOptions, Failure> {
        let names = match load.profiles.as_slice() {
            [] => self.settings.profiles.as_slice(),
            named => named,
        };
        if names.is_empty() {
            return Err(Failure::new(
                ExitCode::Usage,
                "PROFILES: no profile is named, and none on the command line",
            ));
        }
        let mut sources = self.settings.sources.clone();
        sources.on_unreachable = load.on_unreachable.unwrap_or(sources.on_unreachable);
        Ok(LoadOptions {
            profiles: names.iter().map(|name| self.settings.profile(name)).collect(),
            force: load.force,
            hash_keys: self.settings.hash_keys()?,
            production: self.settings.telemetry.production(),
            sources,
            coupons: self.settings.coupons.clone(),
            run_options: self.run_options.clone(),
        })
    }

    /// What a rollback is about: never more than one profile.
    fn one_profile(&self, named: Option<&str>) -> Result<String, Failure> {
        match (named, self.settings.profiles.as_slice()) {
            (Some(named), _) => Ok(name(named)),
            (None, [only]) => Ok(name(only)),
            (None, several) => Err(Failure::new(
                ExitCode::Usage,
                format!(
                    "-p: name the profile to roll back; the settings name {}",
                    several.len()
                ),
            )),
        }
    }

    /// What was done has been said in the log; programs get it as JSON.
    fn done(&self, summary: &Summary) -> Result<ProcessOutcome, Failure> {
        if self.json {
            self.show(&Answer::from(summary))?;
        }
        let said = |run: &ProfileRun| said(run.run_id, &run.profile, run.outcome.name());
        Ok(ProcessOutcome::new(
            ExitCode::Done,
            last_line(summary.profiles.iter().map(said)),
        ))
    }

    /// Gives the one answer. It was kept until now: a slow terminal holds no query.
    fn show(&self, answer: &Answer) -> Result<ProcessOutcome, Failure> {
        self.has_answered.set(true);
        let text = if self.json {
            &format!("{:#}\n", answer.json)
        } else {
            &answer.text
        };
        print(text).map(|()| ExitCode::Done.into())
    }
}

/// Answers with the error of a command that has no other answer.
pub(crate) fn show_failure(failure: &Failure) -> Result<(), Failure> {
    let error = json!({ "exit_code": failure.code as u8, "message": failure.line() });
    print(&format!("{:#}\n", json!({ "error": error })))
}

fn print(text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .or_exit(ExitCode::Input, "write to standard output")
}

async fn traced<T>(span: Span, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let result = work.instrument(span.clone()).await;
    if let Err(failure) = &result {
        telemetry::fail(&span, failure);
    }
    result
}

/// What is said last of all: each profile's run and its outcome.
fn last_line(said: impl Iterator<Item = String>) -> String {
    format!("done: {}", said.collect::<Vec<_>>().join("; "))
}

fn said(run_id: Uuid, profile: &str, outcome: &str) -> String {
    format!("run {run_id}, profile {profile}, outcome {outcome}")
}

fn names_of(options: &LoadOptions) -> Vec<String> {
    options
        .profiles
        .iter()
        .map(|path| Profile::name_of(path))
        .collect()
}

/// The profile's name, of a name or of a path.
fn name(profile: &str) -> String {
    if profile.contains('/') || profile.ends_with(".toml") {
        Profile::name_of(profile.as_ref())
    } else {
        profile.to_owned()
    }
}

fn names(profiles: &[String]) -> Vec<String> {
    profiles.iter().map(|profile| name(profile)).collect()
}
