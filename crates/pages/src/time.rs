//! Instants as pages show them.

use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;

/// An instant, in the time zone of the shop.
#[derive(Clone, Copy, Debug)]
pub struct ShownTime(DateTime<Tz>);

impl ShownTime {
    /// `at` in `zone`.
    pub fn new(at: DateTime<Utc>, zone: Tz) -> ShownTime {
        ShownTime(at.with_timezone(&zone))
    }

    /// For the attribute `datetime`: RFC 3339 in UTC, to the second.
    pub fn machine(&self) -> String {
        self.0.to_utc().to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    /// Date and time: `29 Nov 2026, 12:03 CET`.
    pub fn words(&self) -> String {
        self.0.format("%-d %b %Y, %H:%M %Z").to_string()
    }

    /// The time alone: `12:03`.
    pub fn clock(&self) -> String {
        self.0.format("%H:%M").to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_where_the_shop_is() {
        let at = DateTime::from_timestamp(1_795_950_207, 9).unwrap();
        let shown = ShownTime::new(at, Tz::Europe__Berlin);

        assert_eq!(shown.machine(), "2026-11-29T11:03:27Z");
        assert_eq!(shown.words(), "29 Nov 2026, 12:03 CET");
        assert_eq!(shown.clock(), "12:03");
    }
}
