//! Comma-separated values with a header line; quotes as in RFC 4180, lines end in `\n` or `\r\n`.

use std::collections::BTreeMap;

use csv::{ByteRecord, ReaderBuilder};

use super::{Cell, Sink};

pub(super) fn read(text: &[u8], sink: &mut Sink<'_>) {
    if let Some(line) = open_quote(text) {
        // The reader would take the rest of the file for one value.
        sink.findings
            .add(sink.bad(line, "ends inside the quotes that begin here"));
        return;
    }
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text);
    let mut lines = Lines {
        text,
        counted: 0,
        line: 1,
    };
    let mut record = ByteRecord::new();
    // In memory nothing can fail; a reader of bytes accepts every record.
    let mut next = |record: &mut ByteRecord| reader.read_byte_record(record).unwrap_or(false);

    if !next(&mut record) {
        let reason = "is empty: a first line with the names of the columns is expected";
        sink.findings.add(sink.bad(1, reason));
        return;
    }
    let before = sink.findings.count;
    let line = lines.of(&record);
    let header: Vec<String> = record
        .iter()
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect();
    check_header(line, &header, sink);
    if sink.findings.count > before {
        return;
    }
    while next(&mut record) {
        let line = lines.of(&record);
        if record.len() != header.len() {
            let reason = format!("has {} columns, the header has {}", record.len(), header.len());
            sink.findings.add(sink.bad(line, reason));
            continue;
        }
        let mut cells = BTreeMap::new();
        let before = sink.findings.count;
        for (name, value) in header.iter().zip(&record) {
            match std::str::from_utf8(value) {
                Ok("") => (),
                Ok(value) => {
                    cells.insert(name.clone(), Cell::Text(value.into()));
                }
                Err(_) => sink.reject(sink.bad(line, "is not UTF-8").column(name), value),
            }
        }
        if sink.findings.count == before {
            sink.row(line, cells);
        }
    }
}

fn check_header(line: u64, header: &[String], sink: &mut Sink<'_>) {
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

/// The line in which the quotes begin that are still open when the text ends.
fn open_quote(text: &[u8]) -> Option<u64> {
    enum Place {
        FieldStart,
        Plain,
        Quoted {
            since: u64,
        },
        /// After quotes inside quotes: their end, or the first of two that stand for one.
        Closed {
            since: u64,
        },
    }
    let (mut place, mut line) = (Place::FieldStart, 1);
    for byte in text {
        place = match (place, byte) {
            (Place::FieldStart, b'"') => Place::Quoted { since: line },
            (Place::Quoted { since }, b'"') => Place::Closed { since },
            (Place::Closed { since }, b'"') => Place::Quoted { since },
            (quoted @ Place::Quoted { .. }, _) => quoted,
            (_, b',' | b'\n' | b'\r') => Place::FieldStart,
            _ => Place::Plain,
        };
        line += u64::from(*byte == b'\n');
    }
    match place {
        Place::Quoted { since } => Some(since),
        _ => None,
    }
}

/// Counts lines: the reader's own count forgets empty lines before a record.
struct Lines<'a> {
    text: &'a [u8],
    counted: usize,
    line: u64,
}

impl Lines<'_> {
    fn of(&mut self, record: &ByteRecord) -> u64 {
        let start = record.position().map_or(0, |position| position.byte());
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        let empty = |rest: &[u8]| {
            rest.iter()
                .take_while(|byte| matches!(byte, b'\n' | b'\r'))
                .count()
        };
        let start = start + self.text.get(start..).map_or(0, empty);
        let passed = self.text.get(self.counted..start).unwrap_or_default();
        self.line += passed.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.counted = start;
        self.line
    }
}
