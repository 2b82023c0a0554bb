//! The settings of the program: `config/default.toml`, a file over it, the environment over both.

use std::path::PathBuf;

use process::exit::Failure;
use process::{settings, telemetry};
use serde::Deserialize;

/// Everything that can be set; each key is described in `config/default.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) wait_timeout_s: u64,
    pub(crate) lock_timeout_s: u64,
    pub(crate) database: database::Settings,
    pub(crate) telemetry: telemetry::Settings,
}

/// Reads the settings; `file` is what `--config` names.
pub(crate) fn load(file: Option<PathBuf>) -> Result<Settings, Failure> {
    let environment = [database::ENVIRONMENT, telemetry::ENVIRONMENT].concat();
    settings::load(&settings::Source {
        defaults: include_str!("../config/default.toml"),
        file,
        environment,
    })
}
