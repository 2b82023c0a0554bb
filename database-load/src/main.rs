//! `database-load`: the command line of the loader.

mod cli;
mod commands;

use std::cell::Cell;
use std::time::Duration;

use clap::Parser as _;
use cli::{Cli, Command, General};
use commands::Commands;
use database::Database;
use database_load::settings::Settings;
use database_load::{RunOptions, coupons};
use one_shot::targets::{self, Target, Targets};
use one_shot::{AliveFile, alive};
use process::failure::{ExitCode, Failure, OrExit as _};
use process::report::{self, ProcessOutcome};
use process::telemetry::{self, Role};
use process::{panics, signals};
use tokio_util::sync::CancellationToken;

const SERVICE: &str = "database-load";

fn main() -> std::process::ExitCode {
    let (command, general) = Cli::parse().chosen().unwrap_or_else(|error| error.exit());
    report::run(|| {
        let cancel = signals::shutdown();
        if let Command::Coupons(command) = command {
            return coupons::execute(command, general.json, &cancel);
        }
        let has_answered = Cell::new(false);
        let result = panics::caught(|| execute(command, &general, &has_answered, cancel));
        match &result {
            Err(failure) if general.json && !has_answered.get() => {
                // What went wrong first goes first.
                let shown = commands::show_failure(failure);
                result.and_then(|ending| shown.map(|()| ending))
            }
            _ => result,
        }
    })
}

fn execute(
    command: Command,
    general: &General,
    has_answered: &Cell<bool>,
    cancel: CancellationToken,
) -> Result<ProcessOutcome, Failure> {
    let settings = Settings::load(general.config.clone())?;
    if matches!(command, Command::Alive) {
        return alive::check(settings.alive_file.as_deref());
    }
    let telemetry = telemetry::start(SERVICE, Role::Member, &settings.telemetry)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .or_exit(ExitCode::Unexpected, "start the runtime")?;
    let _entered = runtime.enter();
    let _alive = AliveFile::keep(settings.alive_file.as_deref());
    let execute = async |database: &database::Settings, command: Command| {
        let database = Database::direct(database, SERVICE).or_exit(ExitCode::Usage, "database settings")?;
        let commands = Commands {
            settings: &settings,
            database: &database,
            telemetry: &telemetry,
            run_options: RunOptions {
                wait_timeout: general.wait_timeout,
                lock_timeout: general.lock_timeout,
                timeout: general.timeout,
                build: settings.telemetry.version().to_owned(),
                trigger: settings.trigger,
                cancel: cancel.clone(),
            },
            json: general.json,
            has_answered,
        };
        commands.execute(command).await
    };
    let result = match (&general.targets, command) {
        (None, command) => runtime.block_on(execute(&settings.database, command)),
        (Some(file), Command::Run(run)) if !run.dry_run => {
            let targets = Targets {
                all: targets::read(file)?,
                service: SERVICE,
                wait_timeout: general.wait_timeout,
                json: general.json,
                stop: cancel.clone(),
            };
            let work = async |target: &Target| {
                let database = target.settings(&settings.database);
                execute(&database, Command::Run(run.clone())).await
            };
            runtime.block_on(targets.each(&settings.database, work))
        }
        _ => Err(Failure::new(ExitCode::Usage, "--targets goes with run")),
    };
    // A scan that was interrupted ends by itself.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result.inspect_err(|failure| tracing::debug!(exit_code = failure.code as u8, "the command failed"))
}
