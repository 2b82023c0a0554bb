//! Values separated by commas, semicolons or tabs under a header line, strictly as in RFC 4180.
//!
//! Lines end in `\n`, `\r\n` or `\r`. Quotes stand around a whole value, and twice inside of it;
//! text that other readers guess about is refused, since a guess may be a wrong price.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Cell, Column, Sink};

/// Separators that a header may show.
const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];

pub(super) fn read(text: &[u8], sink: &mut Sink<'_>) {
    let mut records = Records::of(text, sink.columns);
    let Some(header) = records.next() else {
        let reason = "is empty: a first line with the names of the columns is expected";
        return sink.findings.add(sink.bad(1, reason));
    };
    if let Some(malformed) = header.malformed {
        return malformed.note(None, sink);
    }
    let before = sink.findings.count;
    let mut names: Vec<String> = header.values.iter().map(|name| lossy(name)).collect();
    // Spreadsheets write columns without a name to the right of the table.
    let named = names
        .iter()
        .rposition(|name| !name.is_empty())
        .map_or(0, |last| last + 1);
    let width = names.len();
    names.truncate(named);
    check_header(header.line, &names, sink);
    if sink.findings.count > before {
        return;
    }
    while let Some(record) = records.next() {
        if let Some(malformed) = record.malformed {
            malformed.note(names.get(record.values.len()), sink);
            continue;
        }
        if record.values.len() != width {
            let mut reason = format!("has {} columns, the header has {width}", record.values.len());
            if let Some(other) = other_separator(&record, width) {
                let (other, own) = (shown(other), shown(records.separator));
                reason += &format!("; its values are separated by {other}, those of the header by {own}");
            }
            sink.findings.add(sink.bad(record.line, reason));
            continue;
        }
        let mut cells = BTreeMap::new();
        let before = sink.findings.count;
        for (position, value) in record
            .values
            .iter()
            .enumerate()
            .filter(|(_, value)| !value.is_empty())
        {
            match (names.get(position), std::str::from_utf8(value)) {
                (Some(name), Ok(value)) => drop(cells.insert(name.clone(), Cell::Text(value.into()))),
                (Some(name), Err(_)) => {
                    let bad = sink.bad(record.line, "is not UTF-8; spreadsheets call it \"CSV UTF-8\"");
                    sink.reject(bad.column(name), value);
                }
                (None, _) => {
                    let reason = format!("has a value in column {}, which has no name", position + 1);
                    sink.findings.add(sink.bad(record.line, reason));
                }
            }
        }
        if sink.findings.count == before && !cells.is_empty() {
            sink.row(record.line, cells);
        }
    }
}

fn check_header(line: u64, header: &[String], sink: &mut Sink<'_>) {
    if let [name] = header
        && let Some(separator) = foreign_separator(name, sink.columns)
    {
        let reason =
            format!("the columns are separated by `{separator}`; commas, semicolons or tabs are expected");
        return sink.findings.add(sink.bad(line, reason));
    }
    for (position, name) in header.iter().enumerate() {
        if !sink.columns.iter().any(|column| column.name == name) {
            sink.findings.add(sink.unknown_column(line, position + 1, name));
        } else if header.iter().take(position).any(|earlier| earlier == name) {
            sink.findings
                .add(sink.bad(line, "stands there twice").column(name));
        }
    }
    for column in sink.columns.iter().filter(|column| column.required) {
        if !header.iter().any(|name| name == column.name) {
            sink.findings
                .add(sink.bad(line, "is missing").column(column.name));
        }
    }
}

/// The character after the name that a header of one column begins with, `id|name|price`, or that a
/// line says, `sep=|`.
fn foreign_separator(header: &str, columns: &[Column]) -> Option<char> {
    let mut names = columns.iter().map(|column| column.name).chain(["sep="]);
    let after = names.find_map(|name| header.strip_prefix(name));
    let separator = after?.chars().next()?;
    (!separator.is_alphanumeric() && separator != '_').then_some(separator)
}

/// The separator under which a record of one value has as many as the header.
fn other_separator(record: &Record<'_>, width: usize) -> Option<u8> {
    let [value] = record.values.as_slice() else {
        return None;
    };
    let parts = |separator: &u8| value.split(|byte| byte == separator).count();
    SEPARATORS.into_iter().find(|separator| parts(separator) == width)
}

fn shown(separator: u8) -> String {
    match separator {
        b'\t' => "tabs".into(),
        other => format!("`{}`", char::from(other)),
    }
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// The lines of a text, split into values.
struct Records<'a> {
    text: &'a [u8],
    at: usize,
    line: u64,
    line_start: usize,
    separator: u8,
}

struct Record<'a> {
    /// Where it begins.
    line: u64,
    /// Those before the malformed one, if one is malformed.
    values: Vec<Cow<'a, [u8]>>,
    malformed: Option<Malformed>,
}

/// Quotes that are not as in RFC 4180.
struct Malformed {
    line: u64,
    /// Character of the line, from 1.
    character: usize,
    reason: &'static str,
}

impl Malformed {
    fn note(self, column: Option<&String>, sink: &mut Sink<'_>) {
        let reason = format!("{} (character {})", self.reason, self.character);
        let bad = sink.bad(self.line, reason);
        sink.findings
            .add(match column.filter(|_| self.reason != UNCLOSED) {
                Some(column) => bad.column(column),
                None => bad,
            });
    }
}

const UNCLOSED: &str = "ends inside the quotes that begin here";
const AFTER_QUOTES: &str = "text follows the closing quotes; a quote inside of quotes is written twice";
const INSIDE: &str = "a quote stands in a value without quotes around it; \
                      a value with quotes in it is put in quotes, and they are written twice";

impl<'a> Records<'a> {
    /// The records of a text whose header shows the separator, or whose first line says it as
    /// spreadsheets do: `sep=;`.
    fn of(text: &'a [u8], columns: &[Column]) -> Records<'a> {
        let records = |separator| Records {
            text,
            at: 0,
            line: 1,
            line_start: 0,
            separator,
        };
        if let Some((separator, end)) = declared(text) {
            return Records {
                at: end,
                ..records(separator)
            };
        }
        let known = |separator: &u8| {
            let header = records(*separator)
                .next()
                .map_or(Vec::new(), |header| header.values);
            let is_known = |name: &&Cow<'_, [u8]>| {
                columns
                    .iter()
                    .any(|column| column.name.as_bytes() == name.as_ref())
            };
            header.iter().filter(is_known).count()
        };
        // The first of those that show the most columns.
        let separator = SEPARATORS.into_iter().rev().max_by_key(known);
        records(separator.unwrap_or(b','))
    }

    fn next(&mut self) -> Option<Record<'a>> {
        while self.end_line() {}
        self.peek()?;
        let mut record = Record {
            line: self.line,
            values: Vec::new(),
            malformed: None,
        };
        loop {
            match self.value() {
                Ok(value) => record.values.push(value),
                Err(malformed) => {
                    record.malformed = Some(malformed);
                    self.skip(|byte| !is_end(byte));
                }
            }
            if record.malformed.is_none() && self.peek() == Some(self.separator) {
                self.at += 1;
            } else {
                self.end_line();
                return Some(record);
            }
        }
    }

    /// A value, up to what follows it.
    fn value(&mut self) -> Result<Cow<'a, [u8]>, Malformed> {
        if self.peek() == Some(b'"') {
            return self.quoted().map(Cow::Owned);
        }
        let separator = self.separator;
        let value = self.skip(|byte| byte != separator && byte != b'"' && !is_end(byte));
        match self.peek() {
            Some(b'"') => Err(self.malformed(INSIDE)),
            _ => Ok(Cow::Borrowed(value)),
        }
    }

    fn quoted(&mut self) -> Result<Vec<u8>, Malformed> {
        let unclosed = self.malformed(UNCLOSED);
        let mut value = Vec::new();
        loop {
            self.at += 1;
            value.extend_from_slice(self.skip(|byte| byte != b'"' && !is_end(byte)));
            match self.peek() {
                None => return Err(unclosed),
                Some(b'"') => {
                    self.at += 1;
                    match self.peek() {
                        Some(b'"') => value.push(b'"'),
                        Some(byte) if byte != self.separator && !is_end(byte) => {
                            return Err(self.malformed(AFTER_QUOTES));
                        }
                        _ => return Ok(value),
                    }
                }
                Some(_) => {
                    let start = self.at;
                    self.end_line();
                    value.extend_from_slice(self.text.get(start..self.at).unwrap_or_default());
                    // The next byte is part of the value.
                    self.at -= 1;
                }
            }
        }
    }

    fn malformed(&self, reason: &'static str) -> Malformed {
        let before = self.text.get(self.line_start..self.at).unwrap_or_default();
        Malformed {
            line: self.line,
            character: lossy(before).chars().count() + 1,
            reason,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip(&mut self, while_true: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest
            .iter()
            .position(|byte| !while_true(*byte))
            .unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    /// Takes the end of a line, if it is next.
    fn end_line(&mut self) -> bool {
        let length = match self.text.get(self.at..) {
            Some([b'\r', b'\n', ..]) => 2,
            Some([b'\r' | b'\n', ..]) => 1,
            _ => return false,
        };
        self.at += length;
        self.line += 1;
        self.line_start = self.at;
        true
    }
}

/// The separator that the first line says, and where that line ends. Saved once more by a
/// spreadsheet it has quotes around it, and emptied columns behind it.
fn declared(text: &[u8]) -> Option<(u8, usize)> {
    let end = text.iter().position(|byte| is_end(*byte)).unwrap_or(text.len());
    let line = text.get(..end)?;
    let line = line.strip_prefix(b"\"").unwrap_or(line);
    let (start, separators) = line.split_at_checked(b"sep=".len())?;
    let (separator, rest) = separators.split_first()?;
    let is_said = start.eq_ignore_ascii_case(b"sep=")
        && SEPARATORS.contains(separator)
        && rest.iter().all(|byte| *byte == b'"' || SEPARATORS.contains(byte));
    is_said.then_some((*separator, end))
}

fn is_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}
