//! Tables in files: CSV, JSON and JSON Lines give the same rows.

mod csv;
mod fields;
mod findings;
#[cfg(test)]
mod fuzz;
mod json;
pub(crate) mod text;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use process::failure::{ExitCode, Failure};

pub(crate) use fields::Fields;
pub use findings::{BadRow, Findings};

use crate::format::Format;
use crate::sources::{BadText, Input};

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) required: bool,
    /// It holds keys or addresses: see [`is_secret`].
    secret: bool,
    /// JSON's `null` says that there deliberately is no value: see [`Fields::is_null`].
    null: bool,
    /// The object in JSON of which it may also be a member: `image` of `image_mobile`.
    object: Option<&'static str>,
}

pub(crate) const fn required(name: &'static str) -> Column {
    Column {
        name,
        required: true,
        secret: false,
        null: false,
        object: None,
    }
}

pub(crate) const fn optional(name: &'static str) -> Column {
    Column {
        required: false,
        ..required(name)
    }
}

pub(crate) const fn secret(name: &'static str) -> Column {
    Column {
        secret: true,
        ..required(name)
    }
}

/// The same, where JSON may say by `null` that there is none.
pub(crate) const fn secret_or_null(name: &'static str) -> Column {
    Column {
        null: true,
        ..secret(name)
    }
}

/// An optional column that JSON may have as a member of an object: `name` is `object_member`.
pub(crate) const fn member(object: &'static str, name: &'static str) -> Column {
    Column {
        object: Some(object),
        ..optional(name)
    }
}

/// Whether values of this table are never shown. One secret column makes all of them so: columns
/// get swapped.
fn is_secret(columns: &[Column]) -> bool {
    columns.iter().any(|column| column.secret)
}

/// A name that is no column's: shown only where it cannot be a value that stands in the wrong
/// place.
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
    /// A JSON value as it stands in the file: null only in a column that says so.
    Json(String),
}

/// Hands every row of every input to `take`, file by file. What is wrong with a row goes to
/// `findings`; the rows handed on have known columns only.
///
/// # Errors
/// `Usage` for a file whose name does not say what it is; `Input` when it cannot be read.
pub(crate) fn read(
    inputs: &[Input],
    columns: &[Column],
    findings: &mut Findings,
    mut take: impl FnMut(Fields<'_>),
) -> Result<(), Failure> {
    for input in inputs {
        let file: Arc<str> = input.name.as_str().into();
        let Some(format) = input.format else {
            let message = format!(
                "source {file}: the name ends in none of .csv, .json, .jsonl, .ndjson (and .gz or .zst after it); \
                 format = \"csv\" beside its location says what it is"
            );
            return Err(Failure::new(ExitCode::Usage, message));
        };
        let text = match input.text()? {
            Ok(text) => text,
            Err(BadText { line, reason }) => {
                findings.add(BadRow::new(&file, line, reason));
                continue;
            }
        };
        let mut take = |row: &Row, findings: &mut Findings| take(Fields::new(row, columns, findings));
        let mut sink = Sink {
            file: &file,
            columns,
            findings,
            take: &mut take,
        };
        read_text(format, &text, &mut sink);
    }
    Ok(())
}

fn read_text(format: Format, text: &[u8], sink: &mut Sink<'_>) {
    if let Some(what) = coupon_scan::foreign(text) {
        return sink.findings.add(sink.bad(1, format!("is {what}")));
    }
    let mut text = text;
    while let Some(marked) = text.strip_prefix("\u{feff}".as_bytes()) {
        text = marked;
    }
    match format {
        Format::Csv => csv::read(text, sink),
        Format::Json => json::read_array(&unix_ends(text), sink),
        Format::JsonLines => json::read_lines(&unix_ends(text), sink),
    }
}

/// JSON with `\n` for each `\r` alone: a blank either way, and the end of a line in JSON Lines.
fn unix_ends(text: &[u8]) -> Cow<'_, [u8]> {
    let is_alone = |at: usize| text.get(at) == Some(&b'\r') && text.get(at + 1) != Some(&b'\n');
    if !(0..text.len()).any(is_alone) {
        return text.into();
    }
    let bytes = text.iter().enumerate();
    bytes
        .map(|(at, byte)| if is_alone(at) { b'\n' } else { *byte })
        .collect()
}

/// Where the reader of a file leaves what it finds.
struct Sink<'a> {
    file: &'a Arc<str>,
    columns: &'a [Column],
    findings: &'a mut Findings,
    take: &'a mut dyn FnMut(&Row, &mut Findings),
}

impl Sink<'_> {
    fn takes_null(&self, name: &str) -> bool {
        self.columns
            .iter()
            .any(|column| column.null && column.name == name)
    }

    fn row(&mut self, line: u64, cells: BTreeMap<String, Cell>) {
        let row = Row {
            file: Arc::clone(self.file),
            line,
            cells,
        };
        (self.take)(&row, self.findings);
    }

    fn bad(&self, line: u64, reason: impl Into<String>) -> BadRow {
        BadRow::new(self.file, line, reason)
    }

    /// Notes what is wrong with a value, showing it unless the table holds secrets.
    fn reject(&mut self, bad: BadRow, value: &[u8]) {
        let shown = String::from_utf8_lossy(value);
        self.findings.add(if is_secret(self.columns) {
            bad
        } else {
            bad.value(&shown)
        });
    }

    fn unknown_column(&self, line: u64, position: usize, name: &str) -> BadRow {
        unknown_column(self.file, line, position, name, self.columns)
    }
}
