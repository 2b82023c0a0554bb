//! The state of the tables of the reference data: which could not be read, and which rows are left
//! out.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Instant;

use database::rows::{Attempt, Unserved};
use tracing::warn;

/// What could not be read for a snapshot, by the name of the table.
#[derive(Clone, Debug, Default)]
pub(crate) struct TableStates {
    /// Tables whose state is older than the rest.
    pub(super) unread: BTreeMap<&'static str, Unread>,
    /// Since when no table can be read though the database answers.
    pub(super) all_unread_since: Option<Instant>,
    /// Of each table whose rows are interpreted one by one, those that are left out.
    pub(super) skipped: BTreeMap<&'static str, SkippedRows>,
}

/// A table that cannot be read though the database answers.
#[derive(Clone, Debug)]
pub(super) struct Unread {
    /// The beginning of the first attempt that failed.
    pub(super) since: Instant,
    pub(super) error: String,
}

/// The rows of a table that this build cannot read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SkippedRows {
    pub(crate) count: usize,
    /// Key and problem of the first [`MAX_NAMED`].
    pub(super) named: Vec<String>,
}

const MAX_NAMED: usize = 20;

impl TableStates {
    /// Since when this table cannot be read.
    pub(super) fn unread_since(&self, table: &str) -> Option<Instant> {
        let unread = self.unread.get(table).map(|unread| unread.since);
        unread.into_iter().chain(self.all_unread_since).min()
    }

    /// Since when any table cannot be read; `None`: all are up to date.
    pub(super) fn stale_since(&self) -> Option<Instant> {
        let unread = self.unread.values().map(|unread| unread.since);
        unread.chain(self.all_unread_since).min()
    }

    /// How many rows of each table are left out whose rows are interpreted one by one.
    pub(crate) fn skipped(&self) -> impl Iterator<Item = (&'static str, usize)> {
        self.skipped.iter().map(|(table, rows)| (*table, rows.count))
    }

    /// Logs what was not so `before`: each table and each row once, the rows up to the number that
    /// is named.
    pub(super) fn report(&self, before: &TableStates) {
        for (table, Unread { error, .. }) in &self.unread {
            if !before.unread.contains_key(table) {
                warn!(table, error, "a table cannot be read; its last state is served");
            }
        }
        for (table, skipped) in &self.skipped {
            let known = before.skipped.get(table).cloned().unwrap_or_default();
            for row in skipped.named.iter().filter(|row| !known.named.contains(row)) {
                warn!(table, row, "a row cannot be read and is left out");
            }
            let rows = skipped.count;
            if rows > skipped.named.len() && rows != known.count {
                warn!(table, rows, "more rows cannot be read and are left out");
            }
        }
    }
}

/// The values that are served of these rows with their keys, and the others with their problems.
pub(super) fn served<K: Display, R, T, C>(rows: Vec<(K, Attempt<R>)>) -> (C, SkippedRows)
where
    T: TryFrom<R, Error = Unserved>,
    C: FromIterator<T>,
{
    let mut skipped = SkippedRows::default();
    let values = rows.into_iter().filter_map(|(key, row)| {
        row.served()
            .inspect_err(|problem| {
                skipped.count += 1;
                if skipped.named.len() < MAX_NAMED {
                    skipped.named.push(format!("{key}: {problem}"));
                }
            })
            .ok()
    });
    (values.collect(), skipped)
}
