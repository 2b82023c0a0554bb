//! The settings of the rate limits.

use serde::Deserialize;

use super::address::Network;
use super::buckets::Rate;

/// The table `[rate_limit]` of the settings; `config/default.toml` describes every key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub per_key: u32,
    pub per_key_burst: u32,
    pub per_address: u32,
    pub per_address_burst: u32,
    pub table_size: usize,
    pub trusted_proxies: Vec<Network>,
}

/// The environment variables of this table.
pub(crate) const ENVIRONMENT: &[(&str, &str)] = &[
    ("RATE_LIMIT_PER_KEY", "rate_limit.per_key"),
    ("RATE_LIMIT_PER_KEY_BURST", "rate_limit.per_key_burst"),
    ("RATE_LIMIT_PER_ADDRESS", "rate_limit.per_address"),
    ("RATE_LIMIT_PER_ADDRESS_BURST", "rate_limit.per_address_burst"),
    ("RATE_LIMIT_TABLE_SIZE", "rate_limit.table_size"),
    ("TRUSTED_PROXIES", "rate_limit.trusted_proxies"),
];

impl Settings {
    /// The numbers with their environment variables and ranges.
    pub(crate) fn ranges(&self) -> [(&'static str, u64, std::ops::RangeInclusive<u64>); 5] {
        [
            ("RATE_LIMIT_PER_KEY", self.per_key.into(), 0..=60_000_000),
            (
                "RATE_LIMIT_PER_KEY_BURST",
                self.per_key_burst.into(),
                0..=60_000_000,
            ),
            ("RATE_LIMIT_PER_ADDRESS", self.per_address.into(), 0..=60_000_000),
            (
                "RATE_LIMIT_PER_ADDRESS_BURST",
                self.per_address_burst.into(),
                0..=60_000_000,
            ),
            ("RATE_LIMIT_TABLE_SIZE", self.table_size as u64, 1..=10_000_000),
        ]
    }

    pub(super) fn of_keys(&self) -> Option<Rate> {
        Rate::per_minute(self.per_key, self.per_key_burst)
    }

    pub(super) fn of_addresses(&self) -> Option<Rate> {
        Rate::per_minute(self.per_address, self.per_address_burst)
    }
}
