//! The program `database-migration`: reads its command line and settings, and runs the migrator.

mod cli;
mod dispatch;
mod output;
mod settings;

use std::time::Duration;

use clap::Parser as _;
use database::Database;
use database_migration::Migrator;
use database_migration::roles::Names;
use process::failure::{ExitCode, Failure, OrExit as _};
use process::report::{self, ProcessOutcome};
use process::telemetry::{self, Role, Telemetry};
use tracing::warn;

use cli::{Arguments, Command, Options};
use dispatch::Call;
use output::Output;
use settings::Settings;

const SERVICE: &str = "database-migration";

fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    report::run(|| execute(arguments))
}

fn execute(arguments: Arguments) -> Result<ProcessOutcome, Failure> {
    let output = Output {
        json: arguments.options.json,
    };
    let mut settings = settings::load(arguments.options.config.clone())?;
    if output.json {
        settings.telemetry.log_format = telemetry::LogFormat::Json;
    }
    let telemetry = telemetry::start(SERVICE, Role::Root, &settings.telemetry)?;
    run(arguments, &settings, &telemetry, output)
}

fn run(
    arguments: Arguments,
    settings: &Settings,
    telemetry: &Telemetry,
    output: Output,
) -> Result<ProcessOutcome, Failure> {
    let call = Call {
        migrator: migrator(&arguments.options, settings)?,
        roles: &settings.roles,
        telemetry,
        output,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .or_exit(ExitCode::Unexpected, "start the runtime")?;
    let command = arguments.command.unwrap_or(Command::Up { to: None });
    runtime.block_on(call.run(command))
}

fn migrator(options: &Options, settings: &Settings) -> Result<Migrator, Failure> {
    let database = Database::direct(&settings.database, SERVICE)
        .map_err(|invalid| Failure::new(ExitCode::Usage, invalid.to_string()))?;
    let mut migrator =
        Migrator::new(database).or_exit(ExitCode::Unexpected, "read the embedded migrations")?;
    let seconds = |option: Option<Duration>, setting| option.unwrap_or(Duration::from_secs(setting));
    migrator.wait_timeout = seconds(options.wait_timeout, settings.wait_timeout_s);
    migrator.lock_timeout = seconds(options.lock_timeout, settings.lock_timeout_s);
    migrator.timeout = seconds(options.timeout, settings.timeout_s);
    if migrator.timeout < migrator.wait_timeout.max(migrator.lock_timeout) {
        warn!(
            "the whole run may take {} s (--timeout): nothing is waited for longer",
            migrator.timeout.as_secs()
        );
    }
    if !settings.telemetry.service_version.is_empty() {
        migrator.build.clone_from(&settings.telemetry.service_version);
    }
    migrator.trigger = settings.trigger;
    migrator.roles =
        Names::new(&settings.roles).map_err(|invalid| Failure::new(ExitCode::Usage, invalid.to_string()))?;
    migrator.stop = process::signals::shutdown();
    Ok(migrator)
}
