//! The settings of webhooks.

use std::ops::RangeInclusive;

use serde::Deserialize;

/// The section `[webhooks]`; `config/default.toml` describes every key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub allow_private: bool,
    pub endpoint_concurrency: usize,
    pub secret_overlap_s: u64,
    pub switch_off_after_s: u64,
}

pub(crate) const ENVIRONMENT: &[(&str, &str)] = &[
    ("WEBHOOK_ALLOW_PRIVATE", "webhooks.allow_private"),
    ("WEBHOOK_ENDPOINT_CONCURRENCY", "webhooks.endpoint_concurrency"),
    ("WEBHOOK_SECRET_OVERLAP", "webhooks.secret_overlap_s"),
    ("WEBHOOK_SWITCH_OFF_AFTER", "webhooks.switch_off_after_s"),
];

impl Settings {
    /// Variable, value and range of each number.
    pub(crate) fn ranges(&self) -> [(&'static str, u64, RangeInclusive<u64>); 3] {
        [
            (
                "WEBHOOK_ENDPOINT_CONCURRENCY",
                self.endpoint_concurrency as u64,
                1..=100,
            ),
            ("WEBHOOK_SECRET_OVERLAP", self.secret_overlap_s, 0..=2_592_000),
            ("WEBHOOK_SWITCH_OFF_AFTER", self.switch_off_after_s, 0..=2_592_000),
        ]
    }
}
