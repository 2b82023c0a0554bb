//! The settings of the program: `config/default.toml`, a file over it, the environment over both.

use std::path::PathBuf;

use database_migration::{partitions, roles};
use one_shot::Trigger;
use process::failure::{ExitCode, Failure};
use process::{settings, telemetry};
use serde::Deserialize;

/// The longest time that can be set: a day.
pub(crate) const MOST_SECONDS: u64 = 24 * 60 * 60;

/// Everything that can be set; each key is described in `config/default.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) wait_timeout_s: u64,
    pub(crate) lock_timeout_s: u64,
    pub(crate) timeout_s: u64,
    pub(crate) trigger: Trigger,
    pub(crate) alive_file: Option<PathBuf>,
    pub(crate) database: database::Settings,
    pub(crate) roles: roles::Settings,
    pub(crate) partitions: partitions::Settings,
    pub(crate) telemetry: telemetry::Settings,
}

/// Reads the settings; `file` is what `--config` names.
pub(crate) fn load(file: Option<PathBuf>) -> Result<Settings, Failure> {
    let own: &[_] = &[("RUN_TRIGGER", "trigger"), ("ALIVE_FILE", "alive_file")];
    let environment = [
        own,
        database::ENVIRONMENT,
        roles::ENVIRONMENT,
        partitions::ENVIRONMENT,
        telemetry::ENVIRONMENT,
    ]
    .concat();
    let settings: Settings = settings::load(&settings::Source {
        defaults: include_str!("../config/default.toml"),
        file,
        environment,
    })?;
    for (key, least, value) in [
        ("wait_timeout_s", 0, settings.wait_timeout_s),
        ("lock_timeout_s", 0, settings.lock_timeout_s),
        ("timeout_s", 1, settings.timeout_s),
    ] {
        if !(least..=MOST_SECONDS).contains(&value) {
            let message = format!("{key}: {value} is not {least} to {MOST_SECONDS}");
            return Err(Failure::new(ExitCode::Usage, message));
        }
    }
    settings.partitions.check()?;
    Ok(settings)
}
