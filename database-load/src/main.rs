//! `database-load`: the command line of the loader.

mod cli;

use std::time::Duration;

use clap::Parser as _;
use cli::{Cli, Command, General, Run};
use database::Database;
use database_load::settings::Settings;
use database_load::{ProfileRun, RunOptions, Summary, run, status};
use process::exit::{Ending, ExitCode, Failure, OrExit as _, report};
use process::signals;
use process::telemetry::{self, Role, Telemetry};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

const SERVICE: &str = "database-load";

fn main() -> std::process::ExitCode {
    let (command, general) = Cli::parse().chosen().unwrap_or_else(|error| error.exit());
    let cancel = signals::shutdown();
    report(execute(command, &general, cancel))
}

fn execute(command: Command, general: &General, cancel: CancellationToken) -> Result<Ending, Failure> {
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
                print(&text).map(|()| ExitCode::Done.into())
            }
        }
    });
    // A scan that was interrupted ends by itself; nobody waits for it.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result.inspect_err(|failure| tracing::debug!(exit_code = failure.code as u8, "the command failed"))
}

async fn load(
    settings: &Settings,
    database: &Database,
    telemetry: &Telemetry,
    arguments: Run,
    wait_timeout: Duration,
    cancel: CancellationToken,
) -> Result<Ending, Failure> {
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
        lock_timeout: arguments.lock_timeout(),
        hash_keys: settings.hash_keys()?,
        production: settings.telemetry.production(),
        build: settings.telemetry.version().to_owned(),
        cancel,
    };
    let span = tracing::info_span!(
        "dataload.execute",
        profiles = names.join(","),
        run_id = tracing::field::Empty,
        outcome = tracing::field::Empty
    );
    telemetry.adopt(&span);
    let result = run(database, &options).instrument(span.clone()).await;
    if let Err(failure) = &result {
        telemetry::fail(&span, failure);
    }
    result.map(|summary| Ending::new(ExitCode::Done, last_line(&summary)))
}

/// What is said last of all: each profile's run and its outcome.
fn last_line(summary: &Summary) -> String {
    let said = |run: &ProfileRun| {
        format!(
            "run {}, profile {}, outcome {}",
            run.run_id,
            run.profile,
            run.outcome.name()
        )
    };
    format!(
        "done: {}",
        summary.profiles.iter().map(said).collect::<Vec<_>>().join("; ")
    )
}

fn print(text: &[u8]) -> Result<(), Failure> {
    use std::io::Write as _;
    std::io::stdout()
        .lock()
        .write_all(text)
        .or_exit(ExitCode::Input, "write to standard output")
}
