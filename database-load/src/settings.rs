//! The loader's settings.

use std::path::{Path, PathBuf};

use one_shot::Trigger;
use process::failure::{ExitCode, Failure, OrExit as _};
use process::{settings, telemetry};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use shop::HashKeys;

use crate::{coupons, sources};

/// Every key with its default and a comment.
pub const DEFAULTS: &str = include_str!("../config/default.toml");

/// Where data lie in an image.
const INSTALLED_DATA: &str = "/usr/share/order-food/data";
/// Where data lie in a checkout.
const CHECKOUT_DATA: &str = "database-load/data";

/// All settings; the comments stand in the default file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Profiles that are loaded when the command line names none.
    pub profiles: Vec<String>,
    /// Folder of the profiles; unset: the installed one, else the one of a checkout.
    pub data_dir: Option<PathBuf>,
    /// Secrets under which API keys are hashed.
    pub api_key_hash_key: Option<SecretString>,
    /// What starts the run.
    pub trigger: Trigger,
    /// File that a run writes every 5 s; unset or empty: none.
    pub alive_file: Option<PathBuf>,
    /// How sources are reached.
    pub sources: sources::Settings,
    /// How coupon files are scanned.
    pub coupons: coupons::Settings,
    /// Logs and traces.
    pub telemetry: telemetry::Settings,
    /// Where the database is.
    pub database: database::Settings,
}

impl Settings {
    /// Reads the defaults, then `file`, then the environment.
    ///
    /// # Errors
    /// `Usage`, naming the setting.
    pub fn load(file: Option<PathBuf>) -> Result<Settings, Failure> {
        let mut environment = vec![
            ("PROFILES", "profiles"),
            ("DATA_DIR", "data_dir"),
            ("API_KEY_HASH_KEY", "api_key_hash_key"),
            ("RUN_TRIGGER", "trigger"),
            ("ALIVE_FILE", "alive_file"),
        ];
        environment.extend(sources::ENVIRONMENT);
        environment.extend(coupons::ENVIRONMENT);
        environment.extend(telemetry::ENVIRONMENT);
        environment.extend(database::ENVIRONMENT);
        settings::load(&settings::Source {
            defaults: DEFAULTS,
            file,
            environment,
        })
    }

    /// The hash keys.
    ///
    /// # Errors
    /// `Usage`, saying what is wrong with them, never what they are.
    pub fn hash_keys(&self) -> Result<HashKeys, Failure> {
        let list = self.api_key_hash_key.as_ref().map(|keys| keys.expose_secret());
        HashKeys::parse(list, self.telemetry.production()).or_exit(ExitCode::Usage, "API_KEY_HASH_KEY")
    }

    /// The file of a profile: `name` is a path if it has a slash or ends in `.toml`, else the name
    /// of one in the folder.
    pub fn profile(&self, name: &str) -> PathBuf {
        if name.contains('/') || name.ends_with(".toml") {
            return name.into();
        }
        let folder = self
            .data_dir
            .as_deref()
            .filter(|folder| !folder.as_os_str().is_empty());
        let standard = if Path::new(INSTALLED_DATA).is_dir() {
            INSTALLED_DATA
        } else {
            CHECKOUT_DATA
        };
        folder.unwrap_or(Path::new(standard)).join(format!("{name}.toml"))
    }
}
