//! Several databases, one after the other: primaries first, then standbys, which only replay.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use database::Database;
use process::failure::{ExitCode, Failure, OrExit as _};
use process::report::ProcessOutcome;
use process::telemetry;
use serde::Deserialize;
use serde_json::json;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};
use tokio_util::sync::CancellationToken;

use crate::exit_code;

/// One database of several.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Its name in messages, different from the others'.
    pub name: String,
    /// Where it is: `target_region` of log lines, `target.region` of spans.
    pub region: String,
    /// File with its URL; a relative path begins at the file of the targets.
    pub url_file: PathBuf,
}

/// The file of `--targets`: tables `[[target]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    target: Vec<Target>,
}

/// The databases of one call of a program.
#[derive(Debug)]
pub struct Targets {
    /// In the order of the file.
    pub all: Vec<Target>,
    /// Name of the program, for its sessions.
    pub service: &'static str,
    /// How long to wait for a database, and for a standby to replay.
    pub wait_timeout: Duration,
    /// Lines are JSON objects.
    pub json: bool,
    /// Cancelled by a signal.
    pub stop: CancellationToken,
}

/// What a server says of itself.
struct Position {
    /// The same for a primary and its standbys.
    system: String,
    is_standby: bool,
}

const PAUSE: Duration = Duration::from_millis(100);

const POSITION: &str = "SELECT system_identifier::text, pg_is_in_recovery() FROM pg_control_system()";
const WRITTEN: &str = "SELECT pg_current_wal_insert_lsn()::text";
const REPLAYED: &str = "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn";

/// Reads the file of `--targets`.
///
/// # Errors
/// `Usage`: the file, a name that occurs twice, an empty text.
pub fn read(path: &Path) -> Result<Vec<Target>, Failure> {
    let wrong = |problem: String| {
        let shown = path.display();
        Failure::new(ExitCode::Usage, format!("--targets {shown}: {problem}"))
    };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let file: File = toml::from_str(&text).map_err(|error| wrong(error.message().to_owned()))?;
    let mut targets = file.target;
    if targets.is_empty() {
        return Err(wrong("names no [[target]]".into()));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut names = std::collections::HashSet::new();
    for target in &mut targets {
        let Target { name, region, .. } = &target;
        let is_unusable = |text: &String| text.trim().is_empty() || text.contains(char::is_control);
        if is_unusable(name) || is_unusable(region) {
            return Err(wrong("a name or a region is empty, or more than one line".into()));
        }
        if !names.insert(name.clone()) {
            return Err(wrong(format!("two targets are called {name}")));
        }
        target.url_file = folder.join(&target.url_file);
    }
    Ok(targets)
}

impl Target {
    /// The settings with the address of this target in place of any other.
    #[must_use]
    pub fn settings(&self, settings: &database::Settings) -> database::Settings {
        database::Settings {
            direct_url: None,
            direct_url_file: Some(self.url_file.clone()),
            ..settings.clone()
        }
    }
}

impl Targets {
    /// Does `work` on each primary in the order of the file, then waits until each standby has
    /// replayed it. One line per target goes to standard output. The first failure ends it; called
    /// again, targets that are done have nothing to do.
    ///
    /// # Errors
    /// The failure of a target, with its name and the names of those that were not begun.
    pub async fn each(
        &self,
        settings: &database::Settings,
        work: impl AsyncFn(&Target) -> Result<ProcessOutcome, Failure>,
    ) -> Result<ProcessOutcome, Failure> {
        let mut written: Vec<(String, String)> = Vec::new();
        let mut standbys = Vec::new();
        let mut left: Vec<&Target> = self.all.iter().collect();
        for target in &self.all {
            telemetry::set_region(&target.region);
            let primary = self.primary(target, settings, &work).await;
            match primary.map_err(|failure| failed(target, &left, &failure))? {
                Ok((system, position, done)) => {
                    self.say(target, "primary", &done)?;
                    written.push((system, position));
                    left.retain(|other| other.name != target.name);
                }
                Err(system) => standbys.push((target, system)),
            }
        }
        for (target, system) in standbys {
            telemetry::set_region(&target.region);
            let positions = written.iter().filter(|(of, _)| *of == system);
            // The later of two primaries of one system, which were given under two names.
            let position = positions.map(|(_, position)| position.as_str()).next_back();
            let replayed = self.standby(target, settings, position).await;
            let done = replayed.map_err(|failure| failed(target, &left, &failure))?;
            self.say(target, "standby", &done)?;
            left.retain(|other| other.name != target.name);
        }
        telemetry::set_region("");
        let count = self.all.len();
        Ok(ProcessOutcome::new(
            ExitCode::Done,
            format!("done: {count} of {count} targets"),
        ))
    }

    /// The system of a primary, its position after the work and the line of it; or that of a
    /// standby.
    async fn primary(
        &self,
        target: &Target,
        settings: &database::Settings,
        work: &impl AsyncFn(&Target) -> Result<ProcessOutcome, Failure>,
    ) -> Result<Result<(String, String, String), String>, Failure> {
        let client = self.connect(target, settings).await?;
        let Position { system, is_standby } = position(&client).await?;
        drop(client);
        if is_standby {
            return Ok(Err(system));
        }
        let done = Box::pin(work(target)).await?;
        let client = self.connect(target, settings).await?;
        let written: String = one(&client, WRITTEN, &[])
            .await
            .and_then(|row| row.try_get(0))
            .map_err(lost)?;
        let done = done
            .line()
            .unwrap_or("done")
            .trim_start_matches("done: ")
            .to_owned();
        Ok(Ok((system, written, done)))
    }

    /// Waits until a standby has replayed `position`.
    async fn standby(
        &self,
        target: &Target,
        settings: &database::Settings,
        position: Option<&str>,
    ) -> Result<String, Failure> {
        let Some(position) = position else {
            let problem = "it is a standby, and its primary is none of the targets";
            return Err(Failure::new(ExitCode::Prerequisite, problem));
        };
        let started = Instant::now();
        loop {
            let client = self.connect(target, settings).await?;
            let row = one(&client, REPLAYED, &[(&position, Type::TEXT)]).await;
            // None: it is no standby anymore, and so has everything that it will ever replay.
            let is_replayed = row
                .and_then(|row| row.try_get::<_, Option<bool>>(0))
                .map_err(lost)?;
            if is_replayed.unwrap_or(false) {
                return Ok(format!("replayed {position}"));
            }
            if started.elapsed() >= self.wait_timeout {
                let waited = self.wait_timeout.as_secs();
                let problem = format!("it has not replayed {position} within {waited} s (--wait-timeout)");
                return Err(Failure::new(ExitCode::Input, problem));
            }
            self.unless_stopped(async {
                tokio::time::sleep(PAUSE).await;
                Ok(())
            })
            .await?;
        }
    }

    async fn connect(&self, target: &Target, settings: &database::Settings) -> Result<Client, Failure> {
        let database = Database::direct(&target.settings(settings), self.service)
            .or_exit(ExitCode::Usage, "database settings")?;
        self.unless_stopped(async {
            let connected = async {
                database.wait(self.wait_timeout).await?;
                database.connect().await
            };
            connected
                .await
                .map_err(|error| Failure::new(exit_code::of_connect(&error), process::failure::line(&error)))
        })
        .await
    }

    async fn unless_stopped<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        tokio::select! {
            done = work => done,
            () = self.stop.cancelled() => Err(Failure::new(ExitCode::Terminated, "stopped by a signal")),
        }
    }

    fn say(&self, target: &Target, role: &str, done: &str) -> Result<(), Failure> {
        let Target { name, region, .. } = target;
        let line = match self.json {
            true => {
                json!({ "event": "target", "target": name, "region": region, "role": role, "done": done })
                    .to_string()
            }
            false => format!("{name} ({region}, {role}): {done}"),
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}")
            .and_then(|()| out.flush())
            .or_exit(ExitCode::Input, "standard output")
    }
}

fn failed(target: &Target, left: &[&Target], failure: &Failure) -> Failure {
    let Target { name, region, .. } = target;
    let rest: Vec<&str> = left
        .iter()
        .map(|target| target.name.as_str())
        .filter(|other| other != name)
        .collect();
    let rest = match rest.is_empty() {
        true => String::new(),
        false => format!(". Not done: {}; run it again for the rest", rest.join(", ")),
    };
    Failure::new(
        failure.code,
        format!("target {name} ({region}): {}{rest}", failure.line()),
    )
}

async fn position(client: &Client) -> Result<Position, Failure> {
    let row = one(client, POSITION, &[]).await.map_err(lost)?;
    Ok(Position {
        system: row.try_get(0).map_err(lost)?,
        is_standby: row.try_get(1).map_err(lost)?,
    })
}

async fn one(client: &Client, query: &str, values: &[(&(dyn ToSql + Sync), Type)]) -> Result<Row, Error> {
    client.query_typed_one(query, values).await
}

fn lost(error: Error) -> Failure {
    Failure::new(exit_code::of_statement(&error), process::failure::line(&error))
}
