//! The settings of the life cycle of orders.

use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};
use process::failure::{ExitCode, Failure};
use serde::Deserialize;

use super::cells::{Cells, MAX_CELL};

/// Section `[orders]`; keys, units and defaults stand in `config/default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml describes every key")]
pub struct Settings {
    pub auto_accept: bool,
    pub ready_minutes: u16,
    pub answer_within_s: u32,
    pub open_window_s: u32,
    pub cell: Option<u64>,
    pub cell_since: Option<String>,
}

/// Environment variables and the settings that they set.
pub(crate) const ENVIRONMENT: &[(&str, &str)] = &[
    ("ORDER_AUTO_ACCEPT", "orders.auto_accept"),
    ("ORDER_READY_MINUTES", "orders.ready_minutes"),
    ("ORDER_ANSWER_WITHIN", "orders.answer_within_s"),
    ("ORDER_OPEN_WINDOW", "orders.open_window_s"),
    ("CELL", "orders.cell"),
    ("CELL_SINCE", "orders.cell_since"),
];

impl Settings {
    /// Variable, value and range of each number.
    pub(crate) fn ranges(&self) -> [(&'static str, u64, RangeInclusive<u64>); 4] {
        [
            ("ORDER_READY_MINUTES", self.ready_minutes.into(), 1..=1_440),
            ("ORDER_ANSWER_WITHIN", self.answer_within_s.into(), 0..=604_800),
            ("ORDER_OPEN_WINDOW", self.open_window_s.into(), 60..=604_800),
            ("CELL", self.cell.unwrap_or_default(), 0..=MAX_CELL.into()),
        ]
    }

    /// The cell of this installation.
    ///
    /// # Errors
    /// Exit code 2, naming the setting.
    pub(crate) fn cells(&self) -> Result<Cells, Failure> {
        let refuse = |problem| Failure::new(ExitCode::Usage, format!("CELL_SINCE: {problem}"));
        let since = match &self.cell_since {
            Some(text) => Some(text.parse::<DateTime<Utc>>().map_err(|_| {
                refuse(format!(
                    "{text:?} is no time of the form 2026-01-31T12:00:00Z (RFC 3339)"
                ))
            })?),
            None => None,
        };
        let Some(cell) = self.cell.and_then(|cell| u16::try_from(cell).ok()) else {
            return Ok(Cells::default());
        };
        let since = since.ok_or_else(|| {
            refuse("is needed with CELL: the time since when all cells make ids with their number".into())
        })?;
        Ok(Cells::new(cell, since))
    }
}
