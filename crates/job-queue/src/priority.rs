//! The five priorities, and sets of them.

use std::fmt;
use std::str::FromStr;

/// The urgency of a job. Smaller is more urgent; the number is stored in `job.priority`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Priority {
    /// Within a second: what others wait for.
    Critical = 0,
    /// Within seconds: what a person waits for.
    High = 1,
    /// The ordinary.
    Default = 2,
    /// Within minutes.
    Low = 3,
    /// Whenever there is time.
    Bulk = 4,
}

/// A text that is no priority.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of CRITICAL, HIGH, DEFAULT, LOW, BULK")]
pub struct UnknownPriority(String);

/// Some of the priorities, each once, most urgent first; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriorityFilter(Vec<Priority>);

impl Priority {
    /// All, most urgent first.
    pub const ALL: [Priority; 5] = [
        Priority::Critical,
        Priority::High,
        Priority::Default,
        Priority::Low,
        Priority::Bulk,
    ];

    /// The number in the database, 0 to 4.
    #[must_use]
    pub const fn number(self) -> i16 {
        self as i16
    }

    /// The priority with this number in the database.
    #[must_use]
    pub fn of(number: i16) -> Option<Priority> {
        Priority::ALL
            .into_iter()
            .find(|priority| priority.number() == number)
    }

    /// Upper case, as in settings and commands.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Priority::Critical => "CRITICAL",
            Priority::High => "HIGH",
            Priority::Default => "DEFAULT",
            Priority::Low => "LOW",
            Priority::Bulk => "BULK",
        }
    }

    /// Lower case, as in the labels of metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Priority::Critical => "critical",
            Priority::High => "high",
            Priority::Default => "default",
            Priority::Low => "low",
            Priority::Bulk => "bulk",
        }
    }

    /// One of `CRITICAL` and `HIGH`: a slot of each worker is kept for these.
    #[must_use]
    pub const fn is_urgent(self) -> bool {
        matches!(self, Priority::Critical | Priority::High)
    }

    /// The next less urgent one; `BULK` stays.
    #[must_use]
    pub fn lower(self) -> Priority {
        Priority::of(self.number() + 1).unwrap_or(Priority::Bulk)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Priority {
    type Err = UnknownPriority;

    /// Case and surrounding blanks do not matter.
    fn from_str(text: &str) -> Result<Priority, UnknownPriority> {
        Priority::ALL
            .into_iter()
            .find(|priority| priority.name().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| UnknownPriority(text.trim().to_owned()))
    }
}

impl PriorityFilter {
    /// The priorities, most urgent first.
    pub fn iter(&self) -> impl Iterator<Item = Priority> + '_ {
        self.0.iter().copied()
    }

    /// Whether this one is claimed.
    #[must_use]
    pub fn contains(&self, priority: Priority) -> bool {
        self.0.contains(&priority)
    }
}

/// All priorities.
impl Default for PriorityFilter {
    fn default() -> Self {
        PriorityFilter(Priority::ALL.to_vec())
    }
}

impl FromStr for PriorityFilter {
    type Err = UnknownPriority;

    /// A comma list; case, blanks and empty parts do not matter; nothing in it means all.
    fn from_str(text: &str) -> Result<PriorityFilter, UnknownPriority> {
        let mut named = text
            .split(',')
            .filter(|part| !part.trim().is_empty())
            .map(str::parse)
            .collect::<Result<Vec<Priority>, _>>()?;
        named.sort_unstable();
        named.dedup();
        Ok(if named.is_empty() {
            PriorityFilter::default()
        } else {
            PriorityFilter(named)
        })
    }
}

/// `CRITICAL,HIGH`
impl fmt::Display for PriorityFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(Priority::name).collect();
        f.write_str(&names.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_comma_list_in_any_case_and_order() {
        for (text, shown) in [
            ("", "CRITICAL,HIGH,DEFAULT,LOW,BULK"),
            (" , ", "CRITICAL,HIGH,DEFAULT,LOW,BULK"),
            ("high, Critical,,HIGH ", "CRITICAL,HIGH"),
            ("BULK", "BULK"),
        ] {
            let filter: PriorityFilter = text.parse().unwrap();
            assert_eq!(filter.to_string(), shown, "{text:?}");
        }
    }

    #[test]
    fn an_unknown_name_is_refused_by_its_name() {
        let error = "CRITICAL,URGENT".parse::<PriorityFilter>().unwrap_err();

        assert_eq!(
            error.to_string(),
            r#""URGENT" is none of CRITICAL, HIGH, DEFAULT, LOW, BULK"#
        );
    }
}
