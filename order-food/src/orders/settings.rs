//! The settings of the life cycle of orders.

use std::ops::RangeInclusive;

use serde::Deserialize;

/// Section `[orders]`; keys, units and defaults stand in `config/default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml describes every key")]
pub struct Settings {
    pub auto_accept: bool,
    pub ready_minutes: u16,
    pub answer_within_s: u32,
    pub open_window_s: u32,
}

/// Environment variables and the settings that they set.
pub(crate) const ENVIRONMENT: &[(&str, &str)] = &[
    ("ORDER_AUTO_ACCEPT", "orders.auto_accept"),
    ("ORDER_READY_MINUTES", "orders.ready_minutes"),
    ("ORDER_ANSWER_WITHIN", "orders.answer_within_s"),
    ("ORDER_OPEN_WINDOW", "orders.open_window_s"),
];

impl Settings {
    /// Variable, value and range of each number.
    pub(crate) fn ranges(&self) -> [(&'static str, u64, RangeInclusive<u64>); 3] {
        [
            ("ORDER_READY_MINUTES", self.ready_minutes.into(), 1..=1_440),
            ("ORDER_ANSWER_WITHIN", self.answer_within_s.into(), 0..=604_800),
            ("ORDER_OPEN_WINDOW", self.open_window_s.into(), 60..=604_800),
        ]
    }
}
