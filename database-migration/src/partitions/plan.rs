//! Which partitions are missing and which are too old: calculated from what there is.

use chrono::{DateTime, Datelike as _, Days, Months, NaiveTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{Interval, Partition};

impl Interval {
    /// The first boundary after a time; none beyond the years that can be counted.
    fn next(self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let day = time.date_naive();
        let start = match self {
            Self::Month => day.with_day(1)?.checked_add_months(Months::new(1))?,
            Self::Week => {
                let since_monday = u64::from(day.weekday().num_days_from_monday());
                day.checked_add_days(Days::new(7 - since_monday))?
            }
        };
        Some(start.and_time(NaiveTime::MIN).and_utc())
    }
}

/// The bounds of the partitions to add behind those of one table, without gaps, so that `ahead` of
/// them begin after `now`.
///
/// The first begins where the last one ends, also after another interval was set.
pub(super) fn missing(
    found: &[&Partition],
    now: DateTime<Utc>,
    ahead: u32,
    interval: Interval,
) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
    let Some(mut end) = found.iter().map(|it| it.to).max() else {
        return Vec::new();
    };
    let mut count = found.iter().filter(|it| it.from > Some(now)).count();
    let mut missing = Vec::new();
    while count < usize::try_from(ahead).unwrap_or(usize::MAX) {
        let Some(next) = interval.next(end) else { break };
        missing.push((end, next));
        count += usize::from(end > now);
        end = next;
    }
    missing
}

/// The bound of a partition that takes everything before the others, where none does.
pub(super) fn missing_oldest(found: &[&Partition]) -> Option<DateTime<Utc>> {
    let starts: Option<Vec<_>> = found.iter().map(|it| it.from).collect();
    starts?.into_iter().min()
}

/// The partitions whose last order is older than the retention.
pub(super) fn old(found: &[Partition], now: DateTime<Utc>, retain_days: u32) -> Vec<&Partition> {
    let cutoff = now - TimeDelta::days(retain_days.into());
    found.iter().filter(|it| it.to <= cutoff).collect()
}

/// The lowest id of UUID version 7 that has this time.
pub(super) fn first_id(time: DateTime<Utc>) -> Uuid {
    let milliseconds = u128::try_from(time.timestamp_millis()).unwrap_or_default();
    Uuid::from_u128(milliseconds << 80)
}

/// `2027_01_01`, for the names of partitions.
pub(super) fn stamp(time: DateTime<Utc>) -> String {
    time.format("%Y_%m_%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn partition(from: Option<&str>, to: &str) -> Partition {
        Partition {
            table: "orders",
            name: String::new(),
            from: from.map(|from| at(&format!("{from}T00:00:00Z"))),
            to: at(&format!("{to}T00:00:00Z")),
            is_detaching: false,
        }
    }

    fn days(missing: &[(DateTime<Utc>, DateTime<Utc>)]) -> Vec<String> {
        let day = |time: &DateTime<Utc>| time.to_rfc3339().replace("T00:00:00+00:00", "");
        missing
            .iter()
            .map(|(from, to)| format!("{} {}", day(from), day(to)))
            .collect()
    }

    #[test]
    fn months_follow_the_last_partition_until_enough_begin_after_now() {
        let (oldest, next) = (
            partition(None, "2026-12-01"),
            partition(Some("2026-12-01"), "2027-01-01"),
        );
        let missing = |found: &[&Partition], now| days(&missing(found, at(now), 3, Interval::Month));

        assert_eq!(
            missing(&[&oldest, &next], "2026-11-30T23:59:59Z"),
            ["2027-01-01 2027-02-01", "2027-02-01 2027-03-01"]
        );
        // A partition that begins at this instant is no longer ahead.
        assert_eq!(missing(&[&oldest, &next], "2026-12-01T00:00:00Z").len(), 3);
        // Nobody made any for four months: no gap is left.
        let late = missing(&[&oldest], "2027-04-10T00:00:00Z");
        assert_eq!(late.first().unwrap(), "2026-12-01 2027-01-01");
        assert_eq!(late.last().unwrap(), "2027-07-01 2027-08-01");
        assert_eq!(missing(&[], "2027-04-10T00:00:00Z"), [""; 0]);
    }

    #[test]
    fn weeks_end_on_mondays_also_after_months() {
        let oldest = partition(None, "2027-01-01");

        let missing = missing(&[&oldest], at("2026-12-20T00:00:00Z"), 3, Interval::Week);

        assert_eq!(
            days(&missing),
            [
                "2027-01-01 2027-01-04",
                "2027-01-04 2027-01-11",
                "2027-01-11 2027-01-18"
            ]
        );
    }

    #[test]
    fn the_oldest_partition_is_missed_once_it_was_detached() {
        let (oldest, next) = (
            partition(None, "2026-12-01"),
            partition(Some("2026-12-01"), "2027-01-01"),
        );

        assert_eq!(missing_oldest(&[&oldest, &next]), None);
        assert_eq!(missing_oldest(&[&next]), Some(at("2026-12-01T00:00:00Z")));
        assert_eq!(missing_oldest(&[]), None);
    }

    #[test]
    fn a_partition_is_old_when_its_end_is_beyond_the_retention() {
        let found = [
            partition(None, "2026-12-01"),
            partition(Some("2026-12-01"), "2027-01-01"),
        ];

        assert_eq!(old(&found, at("2026-12-30T23:59:59Z"), 30).len(), 0);
        assert_eq!(old(&found, at("2026-12-31T00:00:00Z"), 30).len(), 1);
        assert_eq!(old(&found, at("2027-02-01T00:00:00Z"), 30).len(), 2);
    }

    #[test]
    fn a_bound_is_below_every_id_of_its_millisecond() {
        let time = at("2027-01-01T00:00:00Z");

        assert_eq!(first_id(time).to_string(), "01a2ce8b-d400-0000-0000-000000000000");
    }
}
