//! The program `database-migration`: reads its command line and settings, and runs the migrator.

mod cli;
mod settings;

use std::io::Write as _;
use std::time::Duration;

use clap::Parser as _;
use database::Database;
use database_migration::{Back, Done, Error, Migrator};
use process::exit::{self, Ending, ExitCode, Failure, OrExit as _};
use process::telemetry::{self, Role, Telemetry};
use tracing::{Instrument as _, info_span};

use cli::{Arguments, Command};
use settings::Settings;

const SERVICE: &str = "database-migration";

fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    let started = settings::load(arguments.options.config.clone()).and_then(|settings| {
        let telemetry = telemetry::start(SERVICE, Role::Root, &settings.telemetry)?;
        Ok((settings, telemetry))
    });
    exit::report(started.and_then(|(settings, telemetry)| run(arguments, &settings, &telemetry)))
}

fn run(arguments: Arguments, settings: &Settings, telemetry: &Telemetry) -> Result<Ending, Failure> {
    let migrator = migrator(&arguments, settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .or_exit(ExitCode::Unexpected, "start the runtime")?;
    runtime.block_on(async {
        match arguments.command.unwrap_or(Command::Up { to: None }) {
            Command::Up { to } => change(&migrator, telemetry, migrator.up(to)).await,
            Command::Down(cli::Back {
                steps: Some(steps), ..
            }) => change(&migrator, telemetry, migrator.down(Back::Steps(steps))).await,
            Command::Down(cli::Back { to, .. }) => {
                change(&migrator, telemetry, migrator.down(Back::To(to.unwrap_or(0)))).await
            }
            Command::Status { json, exit_code } => status(&migrator, json, exit_code).await.map(Ending::from),
            Command::Wait { for_version } => wait(&migrator, for_version).await,
        }
    })
}

fn migrator(arguments: &Arguments, settings: &Settings) -> Result<Migrator, Failure> {
    let database = Database::new(&settings.database, SERVICE)
        .map_err(|invalid| Failure::new(ExitCode::Usage, invalid.to_string()))?;
    let mut migrator =
        Migrator::new(database).or_exit(ExitCode::Unexpected, "read the embedded migrations")?;
    let options = &arguments.options;
    migrator.wait_timeout = Duration::from_secs(options.wait_timeout.unwrap_or(settings.wait_timeout_s));
    migrator.lock_timeout = Duration::from_secs(options.lock_timeout.unwrap_or(settings.lock_timeout_s));
    if !settings.telemetry.service_version.is_empty() {
        migrator.build.clone_from(&settings.telemetry.service_version);
    }
    migrator.stop = process::signals::shutdown();
    Ok(migrator)
}

/// Runs `up` or `down` inside the root span of the pod's trace, and says how it ended in the line to end with.
async fn change(
    migrator: &Migrator,
    telemetry: &Telemetry,
    work: impl Future<Output = Result<Done, Error>>,
) -> Result<Ending, Failure> {
    let span = info_span!(
        "migration.execute",
        migration.run_id = %migrator.run_id,
        migration.outcome = tracing::field::Empty,
        migration.version = tracing::field::Empty,
    );
    telemetry.adopt(&span);
    match work.instrument(span.clone()).await {
        Ok(done) => {
            let outcome = if done.before == done.after {
                "unchanged"
            } else {
                "changed"
            };
            span.record("migration.outcome", outcome)
                .record("migration.version", done.after);
            let retries = match done.retries {
                0 => String::new(),
                retries => format!(", {retries} attempts given up for want of a lock"),
            };
            let last_line = format!(
                "done: run {}, outcome {outcome}, version {}{retries}",
                done.run_id, done.after
            );
            Ok(Ending::new(ExitCode::Done, last_line))
        }
        Err(error) => {
            let outcome = if matches!(error, Error::Stopped { .. }) {
                "canceled"
            } else {
                "failed"
            };
            span.record("migration.outcome", outcome);
            telemetry::fail(&span, &error);
            let version = migrator
                .version()
                .map_or_else(|| "unknown".into(), |version| version.to_string());
            let last_line = format!("run {}, outcome {outcome}, version {version}", migrator.run_id);
            Err(failure(error, &last_line))
        }
    }
}

async fn status(migrator: &Migrator, json: bool, exit_code: bool) -> Result<ExitCode, Failure> {
    let status = migrator
        .status()
        .await
        .map_err(|error| failure(error, "status"))?;
    let text = match json {
        true => {
            serde_json::to_string(&status).or_exit(ExitCode::Unexpected, "write the status as JSON")? + "\n"
        }
        false => status.to_string(),
    };
    print(&text)?;
    Ok(if exit_code {
        status.exit_code
    } else {
        ExitCode::Done
    })
}

async fn wait(migrator: &Migrator, for_version: Option<i32>) -> Result<Ending, Failure> {
    let version = migrator
        .wait(for_version)
        .await
        .map_err(|error| failure(error, "wait"))?;
    let last_line = format!("done: the database is at version {version}");
    Ok(Ending::new(ExitCode::Done, last_line))
}

fn print(text: &str) -> Result<(), Failure> {
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .or_exit(ExitCode::Unexpected, "write to standard output")
}

/// The migrator's error with its exit code; `context` stands before it in the last line.
fn failure(error: Error, context: &str) -> Failure {
    Failure::new(error.exit_code(), context).context_from(error)
}
