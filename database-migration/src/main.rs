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
use one_shot::targets::{self, Target, Targets};
use one_shot::{AliveFile, alive};
use process::failure::{ExitCode, Failure, OrExit as _};
use process::report::{self, ProcessOutcome};
use process::telemetry::{self, Role, Telemetry};
use tokio_util::sync::CancellationToken;
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
    if matches!(arguments.command, Some(Command::Alive)) {
        return alive::check(settings.alive_file.as_deref());
    }
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
    let Arguments { command, options } = arguments;
    let command = command.unwrap_or(Command::Up { to: None });
    let stop = process::signals::shutdown();
    let call = |database: &database::Settings| {
        Ok::<_, Failure>(Call {
            migrator: migrator(&options, settings, database, &stop)?,
            roles: &settings.roles,
            partitions: &settings.partitions,
            telemetry,
            output,
        })
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .or_exit(ExitCode::Unexpected, "start the runtime")?;
    let _entered = runtime.enter();
    let _alive = AliveFile::keep(settings.alive_file.as_deref());
    let Some(file) = &options.targets else {
        return runtime.block_on(call(&settings.database)?.run(command));
    };
    if !command.goes_to_targets() {
        let message = "--targets goes with up, wait and roles apply";
        return Err(Failure::new(ExitCode::Usage, message));
    }
    let targets = Targets {
        all: targets::read(file)?,
        service: SERVICE,
        wait_timeout: wait_timeout(&options, settings),
        json: output.json,
        stop: stop.clone(),
    };
    let work = async |target: &Target| {
        let call = call(&target.settings(&settings.database))?;
        call.run(command.clone()).await
    };
    runtime.block_on(targets.each(&settings.database, work))
}

fn wait_timeout(options: &Options, settings: &Settings) -> Duration {
    let set = Duration::from_secs(settings.wait_timeout_s);
    options.wait_timeout.unwrap_or(set)
}

fn migrator(
    options: &Options,
    settings: &Settings,
    database: &database::Settings,
    stop: &CancellationToken,
) -> Result<Migrator, Failure> {
    let database = Database::direct(database, SERVICE)
        .map_err(|invalid| Failure::new(ExitCode::Usage, invalid.to_string()))?;
    let mut migrator =
        Migrator::new(database).or_exit(ExitCode::Unexpected, "read the embedded migrations")?;
    let seconds = |option: Option<Duration>, setting| option.unwrap_or(Duration::from_secs(setting));
    migrator.wait_timeout = wait_timeout(options, settings);
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
    migrator.stop = stop.clone();
    Ok(migrator)
}
