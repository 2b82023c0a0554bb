//! `order-food jobs`: what operators see and do of background jobs.

mod arguments;
mod dead_letters;
mod enqueue;
mod output;

use std::path::PathBuf;
use std::time::Duration;

use database::Database;
use database::pool::Pool;
use diesel_async::AsyncPgConnection;
use job_queue::operate::{self, JobFilter};
use job_queue::{Priority, Queue, Registry};
use process::failure::{ExitCode, Failure, OrExit};
use serde_json::{Value, json};

use arguments::Action;
pub(super) use arguments::Jobs;
use output::Output;

use super::schema;
use crate::jobs::job_action::JobAction;
use crate::jobs::{self, Resources};
use crate::operator_actions::{OperatorAction, recorded};
use crate::settings::Settings;

/// A connection and what the commands know of kinds.
struct Desk {
    connection: AsyncPgConnection,
    registry: Registry,
    settings: Settings,
    host: String,
    output: Output,
}

/// Runs one command.
///
/// # Errors
/// Exit code 2 for wrong arguments, 3 when the database cannot be reached, 8 when what was waited
/// for is still pending, 9 when there is no such job or scope, or no table of jobs, 1 for a job
/// that failed.
pub(super) fn jobs(jobs: Jobs, config: Option<PathBuf>) -> Result<ExitCode, Failure> {
    let settings = Settings::load(config)?;
    super::block_on(async {
        let mut desk = Desk::open(settings, Output::new(jobs.json)).await?;
        desk.act(jobs.action).await
    })
}

impl Desk {
    async fn open(settings: Settings, output: Output) -> Result<Desk, Failure> {
        let database =
            Database::direct(&settings.database, "order-food-jobs").or_exit(ExitCode::Usage, "settings")?;
        let metrics = prometheus::Registry::new();
        let resources = Resources {
            pool: Pool::new(&database, 1, Duration::from_millis(settings.pool_wait_ms)),
            live: crate::live::Live::default(),
            queue: Queue::new(settings.jobs.capacities(), &metrics).or_exit(ExitCode::Unexpected, "start")?,
            metrics,
            settings: settings.clone(),
        };
        let registry = jobs::registry(&resources).or_exit(ExitCode::Usage, "settings")?;
        Ok(Desk {
            connection: schema::connect(&database, "jobs", TABLES_OF_JOBS).await?,
            registry,
            settings,
            host: process::host_name(),
            output,
        })
    }

    async fn act(&mut self, action: Action) -> Result<ExitCode, Failure> {
        let connection = &mut self.connection;
        let (command, columns, rows) = match action {
            Action::Workers => (
                "workers",
                "pod pool filter slots running heartbeat_age_s version id",
                operate::workers(connection).await,
            ),
            Action::Running { pod } => (
                "running",
                "id kind priority attempt pod running_s progress",
                operate::running(connection, pod.as_deref()).await,
            ),
            Action::List {
                kind,
                priority,
                state,
                limit,
            } => {
                let filter = JobFilter {
                    kind,
                    priority,
                    running: state.map(arguments::State::is_running),
                    limit,
                };
                let columns = "id kind priority state attempt run_at last_error";
                ("list", columns, operate::list(connection, &filter).await)
            }
            Action::Schedules => (
                "schedules",
                "name last_slot",
                operate::schedules(connection).await,
            ),
            Action::Show { id } => {
                let row = operate::show(connection, id).await;
                let row = row.or_exit(ExitCode::Unexpected, "show")?;
                return self.output.object(found(row, "job", id)?);
            }
            Action::Stats => return self.stats().await,
            Action::Enqueue(enqueue) => return self.enqueue(enqueue).await,
            Action::Cancel { id } => return self.change(JobAction::Cancel, "job", id).await,
            Action::RunNow { id } => return self.change(JobAction::RunNow, "queued job", id).await,
            Action::Pause { scope, reason } => return self.pause(&scope, &reason).await,
            Action::Resume { scope } => return self.resume(&scope).await,
            Action::Drain { wait, reason } => return self.drain(wait, &reason).await,
            Action::DeadLetters(action) => return self.dead_letters(action).await,
        };
        let rows = rows.or_exit(ExitCode::Unexpected, command)?;
        self.output.table(columns, &rows)
    }

    async fn stats(&mut self) -> Result<ExitCode, Failure> {
        let rows = operate::stats(&mut self.connection)
            .await
            .or_exit(ExitCode::Unexpected, "stats")?;
        let paused = operate::pauses(&mut self.connection)
            .await
            .or_exit(ExitCode::Unexpected, "stats")?;
        let merged = output::merge(rows);
        if self.output.is_json() {
            return self.output.object(json!({ "queues": merged, "paused": paused }));
        }
        self.output
            .table("kind priority queued due running dead oldest_s", &merged)?;
        match paused.is_empty() {
            true => Ok(ExitCode::Done),
            false => self.output.table("scope paused_at paused_by reason", &paused),
        }
    }

    /// Changes a job that waits or runs.
    async fn change(&mut self, action: JobAction, what: &str, id: i64) -> Result<ExitCode, Failure> {
        let apply = async |connection: &mut AsyncPgConnection| action.apply(connection, id).await;
        let done = self.recorded(action.name(), &format!("job {id}"), apply).await?;
        self.output.object(found(done, what, id)?)
    }

    async fn pause(&mut self, scope: &str, reason: &str) -> Result<ExitCode, Failure> {
        let scope = self.scope(scope)?;
        let host = self.host.clone();
        let after = json!({ "scope": scope, "paused_by": host, "reason": reason });
        self.recorded("jobs.pause", &scope, async |connection| {
            let before = operate::pause(connection, &scope, &host, reason).await?;
            Ok((before, Some(after.clone())))
        })
        .await?;
        self.output.object(after)
    }

    async fn resume(&mut self, scope: &str) -> Result<ExitCode, Failure> {
        let paused = operate::pauses(&mut self.connection)
            .await
            .or_exit(ExitCode::Unexpected, "resume")?;
        // A kind that other builds know may be paused, too.
        let scope = match paused
            .iter()
            .any(|pause| pause.get("scope") == Some(&Value::from(scope)))
        {
            true => scope.to_owned(),
            false => self.scope(scope)?,
        };
        let before = self
            .recorded("jobs.resume", &scope, async |connection| {
                let before = operate::resume(connection, &scope).await?;
                Ok((before.clone(), before))
            })
            .await?;
        match before {
            Some(_) => self.output.object(json!({ "scope": scope, "resumed": true })),
            None => Err(Failure::new(
                ExitCode::Prerequisite,
                format!("{scope} is not paused"),
            )),
        }
    }

    /// Pauses everything and waits until nothing runs.
    async fn drain(&mut self, wait: Duration, reason: &str) -> Result<ExitCode, Failure> {
        let host = self.host.clone();
        self.recorded("jobs.pause", "*", async |connection| {
            let before = operate::pause(connection, "*", &host, reason).await?;
            Ok((before, Some(json!({ "scope": "*", "reason": reason }))))
        })
        .await?;
        let started = std::time::Instant::now();
        loop {
            let running = operate::running(&mut self.connection, None)
                .await
                .or_exit(ExitCode::Unexpected, "drain")?;
            // A pause is known to all workers a poll later.
            if running.is_empty() && started.elapsed() >= PAUSE_KNOWN.min(wait) {
                return self.output.object(json!({ "paused": "*", "running": 0 }));
            }
            if started.elapsed() >= wait {
                self.output
                    .object(json!({ "paused": "*", "running": running.len() }))?;
                return Ok(ExitCode::Pending);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// `*`, `priority:LOW` or `kind:name`, checked.
    fn scope(&self, scope: &str) -> Result<String, Failure> {
        let unusable = |problem: String| Err(Failure::new(ExitCode::Usage, problem));
        match scope.split_once(':') {
            None if scope == "*" => Ok(scope.to_owned()),
            Some(("priority", name)) => {
                let priority: Priority = name.parse().or_exit(ExitCode::Usage, "SCOPE")?;
                Ok(format!("priority:{priority}"))
            }
            Some(("kind", name)) if self.registry.kinds().any(|kind| kind.name == name) => {
                Ok(scope.to_owned())
            }
            Some(("kind", name)) => {
                let known: Vec<&str> = self.registry.kinds().map(|kind| kind.name).collect();
                unusable(format!(
                    "SCOPE: there is no kind {name}; known: {}",
                    known.join(", ")
                ))
            }
            _ => unusable(format!("SCOPE: {scope:?} is none of *, priority:NAME, kind:NAME")),
        }
    }

    /// Acts in a transaction that also records the action; `act` answers the states before and
    /// after. `None` after: nothing was there to act on.
    async fn recorded(
        &mut self,
        action: &str,
        target: &str,
        act: impl AsyncFnOnce(&mut AsyncPgConnection) -> diesel::QueryResult<(Option<Value>, Option<Value>)>,
    ) -> Result<Option<Value>, Failure> {
        let record = OperatorAction {
            request_id: Some(&self.host),
            ..OperatorAction::new("cli", action, target.to_owned())
        };
        // An error ends the process, and its session with it: nothing is left half done.
        let acted = recorded(&mut self.connection, record, async |connection, record| {
            diesel::QueryResult::Ok(record.changed(act(connection).await?))
        });
        acted.await.or_exit(ExitCode::Unexpected, action)
    }
}

/// The migration that makes the tables of jobs: a later schema is not needed to pause them.
const TABLES_OF_JOBS: i32 = 5;
/// Workers read pauses each second; a claim that was under way ends soon after.
const PAUSE_KNOWN: Duration = Duration::from_secs(2);
/// Time between two looks of a command that waits.
const LOOK: Duration = Duration::from_millis(100);

fn found(row: Option<Value>, what: &str, id: i64) -> Result<Value, Failure> {
    row.ok_or_else(|| Failure::new(ExitCode::Prerequisite, format!("there is no {what} {id}")))
}
