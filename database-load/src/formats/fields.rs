//! Values of a row, taken out column by column.

use std::fmt::Display;

use serde::de::DeserializeOwned;

use super::{BadRow, Cell, Column, Findings, Row, is_secret};

/// Takes the values out of a row and notes what is wrong with them.
pub(crate) struct Fields<'a> {
    pub(crate) row: &'a Row,
    columns: &'a [Column],
    findings: &'a mut Findings,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(row: &'a Row, columns: &'a [Column], findings: &'a mut Findings) -> Fields<'a> {
        Fields {
            row,
            columns,
            findings,
        }
    }

    /// A value that must be there; `None` when it is not, or wrong.
    pub(crate) fn required<T, E: Display>(
        &mut self,
        column: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let value = self.optional(column, parse)?;
        if value.is_none() {
            self.reject(column, "is missing");
        }
        value
    }

    /// `Some(None)` when there is no value, `None` when it is wrong.
    pub(crate) fn optional<T, E: Display>(
        &mut self,
        column: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Option<T>> {
        let Some(cell) = self.row.cells.get(column) else {
            return Some(None);
        };
        let Some(text) = cell.text() else {
            self.reject(column, "is neither a text nor a number");
            return None;
        };
        match parse(&text) {
            Ok(value) => Some(Some(value)),
            Err(error) => {
                self.reject(column, error.to_string());
                None
            }
        }
    }

    /// Whether the value is JSON's `null`, in a column that takes it. A value that is not there is
    /// another matter: it may have been forgotten.
    pub(crate) fn is_null(&self, column: &str) -> bool {
        matches!(self.row.cells.get(column), Some(Cell::Json(json)) if json == "null")
    }

    /// A list of texts: a JSON array, or words separated by blanks in CSV.
    pub(crate) fn list(&mut self, column: &str) -> Option<Vec<String>> {
        let list = match self.row.cells.get(column) {
            None => Some(Vec::new()),
            Some(Cell::Text(text)) => Some(text.split_ascii_whitespace().map(str::to_owned).collect()),
            Some(Cell::Json(json)) => serde_json::from_str(json).ok(),
        };
        if list.is_none() {
            self.reject(column, "is not a list of texts");
        }
        list
    }

    /// A JSON value of its own shape, which CSV does not have.
    pub(crate) fn json<T: DeserializeOwned>(&mut self, column: &str, shape: &str) -> Option<T> {
        let value = match self.row.cells.get(column) {
            Some(Cell::Json(json)) => serde_json::from_str(json).ok(),
            _ => None,
        };
        if value.is_none() {
            self.reject(column, format!("is not {shape}"));
        }
        value
    }

    /// `true` or `false` in any case, as spreadsheets write them; false when there is no value.
    pub(crate) fn flag(&mut self, column: &str) -> Option<bool> {
        let Some(cell) = self.row.cells.get(column) else {
            return Some(false);
        };
        let flag = cell.shown().to_ascii_lowercase().parse().ok();
        if flag.is_none() {
            self.reject(
                column,
                "is neither true nor false; a spreadsheet in another language writes its own words for them",
            );
        }
        flag
    }

    /// Notes that a value is wrong, showing it unless the table holds secrets.
    pub(crate) fn reject(&mut self, column: &str, reason: impl Into<String>) {
        let bad = BadRow::new(&self.row.file, self.row.line, reason).column(column);
        let value = self.row.cells.get(column).filter(|_| !is_secret(self.columns));
        let value = value.map(Cell::shown);
        self.findings.add(match value {
            Some(value) => bad.value(&value),
            None => bad,
        });
    }

    /// Notes that a value stood in an earlier row already.
    pub(crate) fn duplicate(&mut self, column: &str, file: &str, line: u64) {
        self.reject(column, format!("stands in {file}:{line} already"));
    }
}

impl Cell {
    /// A JSON number as it stands, a JSON string without its quotes; `None` for lists, objects and
    /// booleans.
    fn text(&self) -> Option<String> {
        match self {
            Cell::Text(text) => Some(text.clone()),
            Cell::Json(json) if json.starts_with('"') => serde_json::from_str(json).ok(),
            Cell::Json(json) => json
                .starts_with(|first: char| first == '-' || first.is_ascii_digit())
                .then(|| json.clone()),
        }
    }

    fn shown(&self) -> String {
        match self {
            Cell::Text(text) => text.clone(),
            Cell::Json(json) => self.text().unwrap_or_else(|| json.clone()),
        }
    }
}
