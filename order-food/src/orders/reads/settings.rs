//! The settings of reads of orders.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;

/// Section `[read_database]`; keys, units and defaults stand in `config/default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub url: Option<SecretString>,
    pub url_file: Option<PathBuf>,
    pub max_lag_s: u32,
}

/// Environment variables and the settings that they set.
pub(crate) const ENVIRONMENT: &[(&str, &str)] = &[
    ("READ_DATABASE_URL", "read_database.url"),
    ("READ_DATABASE_URL_FILE", "read_database.url_file"),
    ("READ_DATABASE_MAX_LAG", "read_database.max_lag_s"),
];

impl Settings {
    /// Variable, value and range of each number.
    pub(crate) fn ranges(&self) -> [(&'static str, u64, RangeInclusive<u64>); 1] {
        [("READ_DATABASE_MAX_LAG", self.max_lag_s.into(), 2..=300)]
    }
}
