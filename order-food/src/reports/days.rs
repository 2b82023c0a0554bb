//! A range of days.

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

/// Days from the first to the last, both included; at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Bounds")]
pub(crate) struct Days {
    from: NaiveDate,
    to: NaiveDate,
}

/// The bounds of a range that may be empty.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bounds {
    from: NaiveDate,
    to: NaiveDate,
}

/// The last day comes before the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the last day, {to}, comes before the first, {from}")]
pub(crate) struct NoDays {
    from: NaiveDate,
    to: NaiveDate,
}

impl Days {
    /// The days from `from` to `to`.
    ///
    /// # Errors
    /// [`NoDays`] when `to` comes before `from`.
    pub(crate) fn new(from: NaiveDate, to: NaiveDate) -> Result<Days, NoDays> {
        match from <= to {
            true => Ok(Days { from, to }),
            false => Err(NoDays { from, to }),
        }
    }

    pub(crate) fn from(self) -> NaiveDate {
        self.from
    }

    pub(crate) fn to(self) -> NaiveDate {
        self.to
    }

    /// Number of days, at least 1.
    pub(crate) fn count(self) -> i64 {
        (self.to - self.from).num_days() + 1
    }
}

impl TryFrom<Bounds> for Days {
    type Error = NoDays;

    fn try_from(bounds: Bounds) -> Result<Days, NoDays> {
        Days::new(bounds.from, bounds.to)
    }
}

/// A day as `YYYY-MM-DD`, of the years 0001 to 9999; `None` for any other text and for days that
/// do not exist.
pub(crate) fn parse_day(text: &str) -> Option<NaiveDate> {
    let day: NaiveDate = text.parse().ok()?;
    (day.to_string() == text && (1..=9_999).contains(&day.year())).then_some(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_a_date_that_exists_in_one_form() {
        for (text, is_day) in [
            ("2025-02-28", true),
            ("2024-02-29", true),
            ("0001-01-01", true),
            ("9999-12-31", true),
            ("2025-02-29", false),
            ("2025-13-01", false),
            ("2025-00-10", false),
            ("0000-01-01", false),
            ("2025-1-1", false),
            ("12025-01-01", false),
            ("+025-01-01", false),
            ("2025-01-01T00:00:00Z", false),
            ("2025-01-01 ", false),
            ("today", false),
            ("", false),
        ] {
            assert_eq!(parse_day(text).is_some(), is_day, "{text}");
        }
    }

    #[test]
    fn both_ends_belong_to_a_range() {
        let day = |text| parse_day(text).unwrap();

        let leap_year = Days::new(day("2024-01-01"), day("2024-12-31")).unwrap();
        let one = Days::new(day("2025-01-01"), day("2025-01-01")).unwrap();

        assert_eq!((leap_year.count(), one.count()), (366, 1));
        assert!(Days::new(day("2025-01-02"), day("2025-01-01")).is_err());
        assert!(serde_json::from_str::<Days>(r#"{"from":"2025-01-02","to":"2025-01-01"}"#).is_err());
    }
}
