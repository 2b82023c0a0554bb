//! Tables in files: CSV, JSON and JSON Lines give the same rows.

mod csv;
mod fields;
mod findings;
mod json;
pub(crate) mod text;

use std::collections::BTreeMap;
use std::sync::Arc;

use process::exit::{ExitCode, Failure};

pub(crate) use fields::Fields;
pub use findings::{BadRow, Findings};

use crate::input::Input;

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) required: bool,
    /// It holds keys or addresses: see [`is_secret`].
    secret: bool,
}

pub(crate) const fn required(name: &'static str) -> Column {
    Column {
        name,
        required: true,
        secret: false,
    }
}

pub(crate) const fn optional(name: &'static str) -> Column {
    Column {
        name,
        required: false,
        secret: false,
    }
}

pub(crate) const fn secret(name: &'static str) -> Column {
    Column {
        name,
        required: true,
        secret: true,
    }
}

/// Whether values of this table are never shown. One secret column makes all of them so: columns get swapped.
fn is_secret(columns: &[Column]) -> bool {
    columns.iter().any(|column| column.secret)
}

/// A name that is no column's: shown only where it cannot be a value that stands in the wrong place.
fn unknown_column(file: &str, line: u64, position: usize, name: &str, columns: &[Column]) -> BadRow {
    if !is_secret(columns) {
        return BadRow::new(file, line, "is no column of this table").column(name);
    }
    let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
    let reason = format!(
        "column {position} is no column of this table; the columns are {}",
        names.join(",")
    );
    BadRow::new(file, line, reason)
}

/// One row; an absent value has no cell.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) file: Arc<str>,
    /// From 1; where the row begins.
    pub(crate) line: u64,
    cells: BTreeMap<String, Cell>,
}

#[derive(Clone, Debug)]
enum Cell {
    /// A CSV field: never empty.
    Text(String),
    /// A JSON value as it stands in the file: never null.
    Json(String),
}

/// Reads all rows of all inputs. What is wrong with a row goes to `findings`; the rows returned have known columns only.
///
/// # Errors
/// `Usage` for a file whose name ends in none of `.csv`, `.json`, `.jsonl`, `.ndjson`; `Input` when it cannot be read.
pub(crate) fn read(
    inputs: &[Input],
    columns: &[Column],
    findings: &mut Findings,
) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for input in inputs {
        let file: Arc<str> = input.name.as_str().into();
        let read = match input.path.extension().and_then(|extension| extension.to_str()) {
            Some("csv") => csv::read,
            Some("json") => json::read_array,
            Some("jsonl" | "ndjson") => json::read_lines,
            _ => {
                let message = format!("source {file}: the name ends in none of .csv, .json, .jsonl, .ndjson");
                return Err(Failure::new(ExitCode::Usage, message));
            }
        };
        let bytes = input.bytes()?;
        let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
        rows.append(&mut read(&file, text, columns, findings));
    }
    Ok(rows)
}
