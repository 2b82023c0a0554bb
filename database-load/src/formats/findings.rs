//! Bad rows, counted, and the first of them named.

use std::fmt;

/// A row that cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// As the profile names it.
    pub file: String,
    /// From 1.
    pub line: u64,
    /// The column, when it is one that is wrong.
    pub column: Option<String>,
    /// The value, cut to 40 characters; never one of a table that holds keys or e-mails.
    pub value: Option<String>,
    /// What is accepted.
    pub reason: String,
}

/// What is wrong with the data: the first hundred bad rows, and how many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// At most [`Findings::KEPT`].
    pub rows: Vec<BadRow>,
    /// All of them.
    pub count: u64,
}

impl Findings {
    /// Bad rows beyond these are counted only.
    pub const KEPT: usize = 100;

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn add(&mut self, row: BadRow) {
        self.count += 1;
        if self.rows.len() < Findings::KEPT {
            self.rows.push(row);
        }
    }

    pub(crate) fn append(&mut self, other: Findings) {
        self.count += other.count;
        let room = Findings::KEPT - self.rows.len();
        self.rows.extend(other.rows.into_iter().take(room));
    }
}

impl BadRow {
    pub(crate) fn new(file: &str, line: u64, reason: impl Into<String>) -> BadRow {
        BadRow {
            file: file.into(),
            line,
            column: None,
            value: None,
            reason: reason.into(),
        }
    }

    pub(crate) fn column(self, column: &str) -> BadRow {
        BadRow {
            column: Some(column.into()),
            ..self
        }
    }

    pub(crate) fn value(self, value: &str) -> BadRow {
        BadRow {
            value: Some(cut(value)),
            ..self
        }
    }
}

/// At most 40 characters, controls made visible.
fn cut(value: &str) -> String {
    const SHOWN: usize = 40;
    let mut shown: String = value.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if value.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

impl fmt::Display for BadRow {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.file, self.line)?;
        if let Some(column) = &self.column {
            write!(out, ", column {}", cut(column))?;
        }
        if let Some(value) = &self.value {
            write!(out, ", value \"{value}\"")?;
        }
        write!(out, ": {}", self.reason)
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = if self.count == 1 { "problem" } else { "problems" };
        write!(out, "{} {rows} in the data, nothing was changed", self.count)?;
        self.rows
            .first()
            .map_or(Ok(()), |row| write!(out, "; the first: {row}"))
    }
}

impl std::error::Error for Findings {}
