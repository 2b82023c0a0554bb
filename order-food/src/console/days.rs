//! The days that a page of the console is asked for.

use chrono::{Days as Later, NaiveDate};

use super::visit::{Refusal, Visit};
use crate::reports::{Days, MAX_DAYS};

/// Days that are shown when none were asked for.
const DAYS: u64 = 30;

/// The days that were asked for; by default those up to `newest`, or to today.
pub(super) fn days(visit: &Visit, newest: Option<NaiveDate>) -> Result<Days, Refusal> {
    let now = visit.snapshot.as_ref().map(|snapshot| snapshot.now());
    let today = newest.unwrap_or_else(|| now.unwrap_or_default().date_naive());
    let day = |name: &str, default: NaiveDate| match visit.field(name) {
        Some(text) => text
            .parse()
            .map_err(|_| Refusal::Invalid(format!("{name}: write the day as YYYY-MM-DD."))),
        None => Ok(default),
    };
    let first = today.checked_sub_days(Later::new(DAYS - 1)).unwrap_or(today);
    let days = Days::new(day("from", first)?, day("to", today)?).map_err(Refusal::invalid)?;
    match days.count() > MAX_DAYS {
        true => Err(Refusal::Invalid(format!(
            "At most {MAX_DAYS} days are shown at once."
        ))),
        false => Ok(days),
    }
}
