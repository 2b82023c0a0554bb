use std::path::PathBuf;
use std::time::Duration;

use process::exit::{ExitCode, Failure};
use process::telemetry;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use shop::HashKeys;

/// The settings of order-food; keys, units and defaults stand in `config/default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml describes every key")]
pub struct Settings {
    pub bind_address: String,
    pub port: u16,
    pub http_workers: usize,
    pub api_key_hash_key: Option<SecretString>,
    pub wait_timeout_s: u64,
    pub refresh_interval_s: u64,
    pub ready_grace_s: u64,
    pub pool_size: usize,
    pub pool_wait_ms: u64,
    pub order_deadline_s: u64,
    pub body_timeout_s: u64,
    pub drain_wait_s: u64,
    pub shutdown_timeout_s: u64,
    pub cors_allowed_origins: Vec<String>,
    pub cors_allow_credentials: bool,
    pub enable_metrics: bool,
    pub database: database::Settings,
    pub telemetry: telemetry::Settings,
}

const DEFAULTS: &str = include_str!("../config/default.toml");

const ENVIRONMENT: &[(&str, &str)] = &[
    ("BIND_ADDRESS", "bind_address"),
    ("PORT", "port"),
    ("HTTP_WORKERS", "http_workers"),
    ("API_KEY_HASH_KEY", "api_key_hash_key"),
    ("WAIT_TIMEOUT", "wait_timeout_s"),
    ("REFRESH_INTERVAL", "refresh_interval_s"),
    ("READY_GRACE", "ready_grace_s"),
    ("POOL_SIZE", "pool_size"),
    ("POOL_WAIT_MS", "pool_wait_ms"),
    ("ORDER_DEADLINE", "order_deadline_s"),
    ("BODY_TIMEOUT", "body_timeout_s"),
    ("DRAIN_WAIT", "drain_wait_s"),
    ("SHUTDOWN_TIMEOUT", "shutdown_timeout_s"),
    ("CORS_ALLOWED_ORIGINS", "cors_allowed_origins"),
    ("CORS_ALLOW_CREDENTIALS", "cors_allow_credentials"),
    ("ENABLE_METRICS", "enable_metrics"),
];

impl Settings {
    /// Reads the defaults, the file if one is given, and the environment.
    ///
    /// # Errors
    /// Exit code 2, naming the setting.
    pub fn load(file: Option<PathBuf>) -> Result<Settings, Failure> {
        let environment = [ENVIRONMENT, database::ENVIRONMENT, telemetry::ENVIRONMENT].concat();
        let settings: Settings = process::settings::load(&process::settings::Source {
            defaults: DEFAULTS,
            file,
            environment,
        })?;
        settings.checked()
    }

    fn checked(self) -> Result<Settings, Failure> {
        let refuse = |setting: &str, problem: &str| {
            Err(Failure::new(ExitCode::Usage, format!("{setting}: {problem}")))
        };
        if self.cors_allow_credentials && self.cors_allowed_origins.iter().any(|origin| origin == "*") {
            return refuse("CORS_ALLOW_CREDENTIALS", "cannot be combined with the origin *");
        }
        if self.pool_size == 0 {
            return refuse("POOL_SIZE", "is at least 1");
        }
        if self.refresh_interval_s == 0 {
            return refuse("REFRESH_INTERVAL", "is at least 1 second");
        }
        if self.order_deadline_s == 0 {
            return refuse("ORDER_DEADLINE", "is at least 1 second");
        }
        self.hash_keys()?;
        Ok(self)
    }

    /// The secrets under which API keys are looked up.
    ///
    /// # Errors
    /// Exit code 2 when API_KEY_HASH_KEY cannot be used.
    pub fn hash_keys(&self) -> Result<HashKeys, Failure> {
        let list = self.api_key_hash_key.as_ref().map(ExposeSecret::expose_secret);
        HashKeys::parse(list, self.telemetry.production())
            .map_err(|problem| Failure::new(ExitCode::Usage, format!("API_KEY_HASH_KEY {problem}")))
    }

    pub(crate) fn order_deadline(&self) -> Duration {
        Duration::from_secs(self.order_deadline_s)
    }
}
