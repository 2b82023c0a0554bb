//! The settings of order-food.

use std::path::PathBuf;

use actix_web::http::header::HeaderName;
use process::failure::{ExitCode, Failure};
use process::telemetry;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use shop::HashKeys;

use crate::http::Origin;
use crate::{console, jobs, orders, rate_limit, reports, storefront, webhooks};

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
    pub snapshot_max_age_s: u64,
    pub snapshot_stale: SnapshotStale,
    pub dataset_max_age_s: u64,
    pub pool_size: usize,
    pub pool_wait_ms: u64,
    pub order_deadline_s: u64,
    pub order_queue: usize,
    pub writer_connections_min: usize,
    pub writer_connections_max: usize,
    pub idempotency_sweep_s: u64,
    pub idempotency_keep_answers: bool,
    pub body_timeout_s: u64,
    pub event_streams: usize,
    pub drain_wait_s: u64,
    pub shutdown_timeout_s: u64,
    pub cors_allowed_origins: Vec<Origin>,
    pub cors_allow_credentials: bool,
    pub cors_allowed_headers: Vec<String>,
    pub trace_headers: Vec<String>,
    pub enable_metrics: bool,
    pub rate_limit: rate_limit::Settings,
    pub orders: orders::Settings,
    pub read_database: orders::reads::Settings,
    pub jobs: jobs::Settings,
    pub reports: reports::Settings,
    pub storefront: storefront::Settings,
    pub webhooks: webhooks::Settings,
    pub console: console::Settings,
    pub database: database::Settings,
    pub telemetry: telemetry::Settings,
}

/// What `/ready` says while a table could not be read for `SNAPSHOT_MAX_AGE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SnapshotStale {
    /// 200: the last state is served.
    Ready,
    /// 503.
    Unready,
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
    ("SNAPSHOT_MAX_AGE", "snapshot_max_age_s"),
    ("SNAPSHOT_STALE", "snapshot_stale"),
    ("DATASET_MAX_AGE", "dataset_max_age_s"),
    ("POOL_SIZE", "pool_size"),
    ("POOL_WAIT_MS", "pool_wait_ms"),
    ("ORDER_DEADLINE", "order_deadline_s"),
    ("ORDER_QUEUE", "order_queue"),
    ("WRITER_CONNECTIONS_MIN", "writer_connections_min"),
    ("WRITER_CONNECTIONS_MAX", "writer_connections_max"),
    ("IDEMPOTENCY_SWEEP", "idempotency_sweep_s"),
    ("IDEMPOTENCY_KEEP_ANSWERS", "idempotency_keep_answers"),
    ("BODY_TIMEOUT", "body_timeout_s"),
    ("EVENT_STREAMS", "event_streams"),
    ("DRAIN_WAIT", "drain_wait_s"),
    ("SHUTDOWN_TIMEOUT", "shutdown_timeout_s"),
    ("CORS_ALLOWED_ORIGINS", "cors_allowed_origins"),
    ("CORS_ALLOW_CREDENTIALS", "cors_allow_credentials"),
    ("CORS_ALLOWED_HEADERS", "cors_allowed_headers"),
    ("TRACE_HEADERS", "trace_headers"),
    ("ENABLE_METRICS", "enable_metrics"),
];

impl Settings {
    /// Reads the defaults, the file if one is given, and the environment.
    ///
    /// # Errors
    /// Exit code 2, naming the setting.
    pub fn load(file: Option<PathBuf>) -> Result<Settings, Failure> {
        let settings: Settings = process::settings::load(&source(file))?;
        settings.checked()
    }

    /// The effective settings, a line each with the variable that set it; secrets are not shown.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn shown(file: Option<PathBuf>) -> Result<String, Failure> {
        Settings::load(file.clone())?;
        process::settings::shown(&source(file))
    }

    fn checked(self) -> Result<Settings, Failure> {
        let refuse = |setting: &str, problem: &str| {
            Err(Failure::new(ExitCode::Usage, format!("{setting}: {problem}")))
        };
        for (setting, value, range) in [
            ("WAIT_TIMEOUT", self.wait_timeout_s, 0..=86_400),
            ("REFRESH_INTERVAL", self.refresh_interval_s, 1..=86_400),
            ("READY_GRACE", self.ready_grace_s, 0..=86_400),
            ("SNAPSHOT_MAX_AGE", self.snapshot_max_age_s, 1..=86_400),
            ("DATASET_MAX_AGE", self.dataset_max_age_s, 60..=31_622_400),
            ("ORDER_DEADLINE", self.order_deadline_s, 1..=300),
            ("ORDER_QUEUE", self.order_queue as u64, 1..=1_000_000),
            (
                "WRITER_CONNECTIONS_MIN",
                self.writer_connections_min as u64,
                1..=64,
            ),
            (
                "WRITER_CONNECTIONS_MAX",
                self.writer_connections_max as u64,
                1..=64,
            ),
            ("IDEMPOTENCY_SWEEP", self.idempotency_sweep_s, 1..=86_400),
            ("BODY_TIMEOUT", self.body_timeout_s, 1..=300),
            ("EVENT_STREAMS", self.event_streams as u64, 0..=100_000),
            ("DRAIN_WAIT", self.drain_wait_s, 0..=3_600),
            ("SHUTDOWN_TIMEOUT", self.shutdown_timeout_s, 0..=3_600),
            ("POOL_WAIT_MS", self.pool_wait_ms, 1..=60_000),
            ("POOL_SIZE", self.pool_size as u64, 1..=1_000),
            ("HTTP_WORKERS", self.http_workers as u64, 0..=512),
        ]
        .into_iter()
        .chain(self.rate_limit.ranges())
        .chain(self.orders.ranges())
        .chain(self.read_database.ranges())
        .chain(self.jobs.ranges())
        .chain([(
            "EXPORT_ROWS_PER_SECOND",
            self.reports.export_rows_per_second.into(),
            0..=10_000_000,
        )])
        .chain(self.webhooks.ranges())
        .chain(self.storefront.ranges())
        {
            if !range.contains(&value) {
                return refuse(
                    setting,
                    &format!("is from {} to {}, not {value}", range.start(), range.end()),
                );
            }
        }
        for (setting, names) in [
            ("CORS_ALLOWED_HEADERS", &self.cors_allowed_headers),
            ("TRACE_HEADERS", &self.trace_headers),
        ] {
            let is_name = |name: &&String| HeaderName::from_bytes(name.as_bytes()).is_ok();
            if let Some(name) = names.iter().find(|name| !is_name(name)) {
                return refuse(setting, &format!("{name:?} is no name of a header"));
            }
        }
        if let Some(name) = self.trace_headers.iter().find(|name| holds_credentials(name)) {
            return refuse(
                "TRACE_HEADERS",
                &format!("{name:?} holds credentials, and spans hold none"),
            );
        }
        if self.cors_allow_credentials && self.cors_allowed_origins.iter().any(Origin::is_any) {
            return refuse("CORS_ALLOW_CREDENTIALS", "cannot be combined with the origin *");
        }
        if self.webhooks.allow_private && self.telemetry.production() {
            return refuse("WEBHOOK_ALLOW_PRIVATE", "cannot be true in production");
        }
        self.orders.cells()?;
        self.jobs.filter()?;
        self.reports.check()?;
        self.storefront.check(self.telemetry.production())?;
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
}

/// Whether a header's name says that it carries a key, a token or a password.
fn holds_credentials(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    [
        "api-key",
        "apikey",
        "auth",
        "cookie",
        "credential",
        "password",
        "secret",
        "token",
    ]
    .iter()
    .any(|word| name.contains(word))
}

fn source(file: Option<PathBuf>) -> process::settings::Source {
    process::settings::Source {
        defaults: DEFAULTS,
        file,
        environment: [
            ENVIRONMENT,
            rate_limit::ENVIRONMENT,
            orders::ENVIRONMENT,
            orders::reads::ENVIRONMENT,
            jobs::ENVIRONMENT,
            reports::ENVIRONMENT,
            storefront::ENVIRONMENT,
            webhooks::ENVIRONMENT,
            console::ENVIRONMENT,
            database::ENVIRONMENT,
            telemetry::ENVIRONMENT,
            jobs::pause_by_either_name().as_slice(),
        ]
        .concat(),
    }
}
