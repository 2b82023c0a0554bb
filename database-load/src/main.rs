//! `database-load`: the command line of the loader.

mod cli;

use std::time::Duration;

use clap::Parser as _;
use cli::{Cli, Command, General, Run};
use database::Database;
use database_load::settings::Settings;
use database_load::{RunOptions, run, status};
use process::exit::{ExitCode, Failure, OrExit as _, report};
use process::signals;
use process::telemetry::{self, Role, Telemetry};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

const SERVICE: &str = "database-load";

fn main() -> std::process::ExitCode {
    let (command, general) = Cli::parse().command();
    let cancel = signals::shutdown();
    report(execute(command, &general, cancel))
}

fn execute(command: Command, general: &General, cancel: CancellationToken) -> Result<ExitCode, Failure> {
    let settings = Settings::load(general.config.clone())?;
    let database =
        Database::new(&settings.database, SERVICE).or_exit(ExitCode::Usage, "database settings")?;
    let telemetry = telemetry::start(SERVICE, Role::Member, &settings.telemetry)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .or_exit(ExitCode::Unexpected, "start the runtime")?;
    let result = runtime.block_on(async {
        match command {
            Command::Run(arguments) => {
                load(
                    &settings,
                    &database,
                    &telemetry,
                    arguments,
                    general.wait_timeout,
                    cancel,
                )
                .await
            }
            Command::Status => {
                // Lines are kept until the end: a slow terminal holds no query.
                let mut text = Vec::new();
                status::status(&database, general.wait_timeout, &mut text).await?;
                print(&text)
            }
        }
    });
    // A scan that was interrupted ends by itself; nobody waits for it.
    runtime.shutdown_timeout(Duration::from_millis(100));
    let result =
        result.inspect_err(|failure| tracing::debug!(exit_code = failure.code as u8, "the command failed"));
    telemetry.shutdown();
    result.map(|()| ExitCode::Done)
}

async fn load(
    settings: &Settings,
    database: &Database,
    telemetry: &Telemetry,
    arguments: Run,
    wait_timeout: Duration,
    cancel: CancellationToken,
) -> Result<(), Failure> {
    let names = if arguments.profiles.is_empty() {
        &settings.profiles
    } else {
        &arguments.profiles
    };
    if names.is_empty() {
        return Err(Failure::new(
            ExitCode::Usage,
            "PROFILES: no profile is named, and none on the command line",
        ));
    }
    let options = RunOptions {
        profiles: names.iter().map(|name| settings.profile(name)).collect(),
        force: arguments.force,
        dry_run: arguments.dry_run,
        wait_timeout,
        lock_timeout: arguments.lock_timeout,
        hash_keys: settings.hash_keys()?,
        production: settings.telemetry.production(),
        build: settings.telemetry.version().to_owned(),
        cancel,
    };
    let span = tracing::info_span!("dataload.execute", profiles = names.join(","));
    telemetry.adopt(&span);
    let result = run(database, &options).instrument(span.clone()).await;
    if let Err(failure) = &result {
        telemetry::fail(&span, failure);
    }
    result.map(drop)
}

fn print(text: &[u8]) -> Result<(), Failure> {
    use std::io::Write as _;
    std::io::stdout()
        .lock()
        .write_all(text)
        .or_exit(ExitCode::Input, "write to standard output")
}
