//! `order-food jobs`: what operators see and do of background jobs.

mod arguments;
mod dead_letters;
mod enqueue;
mod output;

use std::path::PathBuf;
use std::time::Duration;

use database::Database;
use database::pool::Pool;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use job_queue::operate::{self, JobFilter};
use job_queue::{CancelTarget, Cancelled, Priority, Queue, Registry};
use process::failure::{ExitCode, Failure, OrExit};
use serde_json::{Value, json};

use arguments::Action;
pub(super) use arguments::Jobs;
use output::Output;

use super::schema;
use crate::exit_code::connecting;
use crate::jobs::{self, Resources};
use crate::operator_actions::{OperatorAction, record};
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
        let client = database.connect().await.map_err(connecting("jobs"))?;
        schema::check(&client, TABLES_OF_JOBS).await?;
        let connection = database.connect_diesel().await;
        Ok(Desk {
            connection: connection.map_err(connecting("jobs"))?,
            registry,
            settings,
            host: process::host_name(),
            output,
        })
    }

    async fn act(&mut self, action: Action) -> Result<ExitCode, Failure> {
        match action {
            Action::Stats => self.stats().await,
            Action::Workers => {
                let rows = operate::workers(&mut self.connection)
                    .await
                    .or_exit(ExitCode::Unexpected, "workers")?;
                self.output.table(
                    &[
                        "pod",
                        "pool",
                        "filter",
                        "slots",
                        "running",
                        "heartbeat_age_s",
                        "version",
                        "id",
                    ],
                    &rows,
                )
            }
            Action::Running { pod } => {
                let rows = operate::running(&mut self.connection, pod.as_deref())
                    .await
                    .or_exit(ExitCode::Unexpected, "running")?;
                self.output.table(
                    &[
                        "id",
                        "kind",
                        "priority",
                        "attempt",
                        "pod",
                        "running_s",
                        "progress",
                    ],
                    &rows,
                )
            }
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
                let rows = operate::list(&mut self.connection, &filter)
                    .await
                    .or_exit(ExitCode::Unexpected, "list")?;
                self.output.table(
                    &[
                        "id",
                        "kind",
                        "priority",
                        "state",
                        "attempt",
                        "run_at",
                        "last_error",
                    ],
                    &rows,
                )
            }
            Action::Show { id } => {
                let row = operate::show(&mut self.connection, id)
                    .await
                    .or_exit(ExitCode::Unexpected, "show")?;
                self.output.object(found(row, "job", id)?)
            }
            Action::Schedules => {
                let rows = operate::schedules(&mut self.connection)
                    .await
                    .or_exit(ExitCode::Unexpected, "schedules")?;
                self.output.table(&["name", "last_slot"], &rows)
            }
            Action::Enqueue(enqueue) => self.enqueue(enqueue).await,
            Action::Cancel { id } => self.cancel(id).await,
            Action::RunNow { id } => self.run_now(id).await,
            Action::Pause { scope, reason } => self.pause(&scope, &reason).await,
            Action::Resume { scope } => self.resume(&scope).await,
            Action::Drain { wait, reason } => self.drain(wait, &reason).await,
            Action::DeadLetters(action) => self.dead_letters(action.action).await,
        }
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
        self.output.table(
            &["kind", "priority", "queued", "due", "running", "dead", "oldest_s"],
            &merged,
        )?;
        match paused.is_empty() {
            true => Ok(ExitCode::Done),
            false => self
                .output
                .table(&["scope", "paused_at", "paused_by", "reason"], &paused),
        }
    }

    async fn cancel(&mut self, id: i64) -> Result<ExitCode, Failure> {
        let done = self
            .recorded("jobs.cancel", &format!("job {id}"), async |connection| {
                let before = operate::show(connection, id).await?;
                let after = job_queue::cancel(connection, CancelTarget::Id(id))
                    .await?
                    .map(|cancelled| match cancelled {
                        Cancelled::Queued(_) => json!({ "id": id, "cancelled": "queued" }),
                        Cancelled::Running(_) => json!({ "id": id, "cancelled": "running" }),
                    });
                Ok((before.map(without_payload), after))
            })
            .await?;
        self.output.object(found(done, "job", id)?)
    }

    async fn run_now(&mut self, id: i64) -> Result<ExitCode, Failure> {
        let done = self
            .recorded("jobs.run_now", &format!("job {id}"), async |connection| {
                let before = operate::show(connection, id).await?;
                Ok((
                    before.map(without_payload),
                    operate::run_now(connection, id).await?,
                ))
            })
            .await?;
        self.output.object(found(done, "queued job", id)?)
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
        let connection = &mut self.connection;
        // An error ends the process, and its session with it: nothing is left half done.
        let recorded = async {
            connection.batch_execute("BEGIN").await?;
            let (before, after) = act(connection).await?;
            let outcome = match after {
                Some(_) => "done",
                None => "nothing to act on",
            };
            let action = OperatorAction {
                key_id: None,
                via: "cli",
                action,
                target,
                before,
                after: after.clone(),
                outcome,
                request_id: Some(&self.host),
            };
            record(connection, &action).await?;
            connection.batch_execute("COMMIT").await?;
            diesel::QueryResult::Ok(after)
        };
        recorded.await.or_exit(ExitCode::Unexpected, action)
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

/// What is recorded of a job: payloads may hold more than an operator's record should.
fn without_payload(mut job: Value) -> Value {
    if let Some(job) = job.as_object_mut() {
        job.remove("payload");
    }
    job
}
