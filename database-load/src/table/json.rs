//! A JSON array of objects, or one object per line.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{BadRow, Cell, Column, Findings, Row, unknown_column};

pub(super) fn read_lines(
    file: &Arc<str>,
    text: &[u8],
    columns: &[Column],
    findings: &mut Findings,
) -> Vec<Row> {
    let mut rows = Vec::new();
    for (line, text) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        if text.trim_ascii().is_empty() {
            continue;
        }
        match std::str::from_utf8(text) {
            Ok(text) => rows.extend(object(file, line, text, columns, findings)),
            Err(_) => findings.add(BadRow::new(file, line, "is not UTF-8")),
        }
    }
    rows
}

pub(super) fn read_array(
    file: &Arc<str>,
    text: &[u8],
    columns: &[Column],
    findings: &mut Findings,
) -> Vec<Row> {
    let line_of = |end: usize| 1 + text.iter().take(end).filter(|byte| **byte == b'\n').count() as u64;
    let text = match std::str::from_utf8(text) {
        Ok(text) => text,
        Err(error) => {
            findings.add(BadRow::new(file, line_of(error.valid_up_to()), "is not UTF-8"));
            return Vec::new();
        }
    };
    let objects: Vec<&RawValue> = match serde_json::from_str(text) {
        Ok(objects) => objects,
        Err(error) => {
            let reason = format!("is not a JSON array of objects (column {})", error.column());
            findings.add(BadRow::new(file, error.line() as u64, reason));
            return Vec::new();
        }
    };
    let mut rows = Vec::new();
    let (mut counted, mut line) = (0, 1);
    for raw in objects {
        // Each value is a piece of `text`.
        let start = (raw.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        line += text
            .bytes()
            .take(start)
            .skip(counted)
            .filter(|byte| *byte == b'\n')
            .count() as u64;
        counted = start;
        rows.extend(object(file, line, raw.get(), columns, findings));
    }
    rows
}

fn object(
    file: &Arc<str>,
    line: u64,
    text: &str,
    columns: &[Column],
    findings: &mut Findings,
) -> Option<Row> {
    // The error's own text may quote the value, which may be a secret.
    let Ok(Members(members)) = serde_json::from_str(text) else {
        findings.add(BadRow::new(file, line, "is not a JSON object"));
        return None;
    };
    let before = findings.count;
    for (position, (name, _)) in members.iter().enumerate() {
        if !columns.iter().any(|column| column.name == name) {
            findings.add(unknown_column(file, line, position + 1, name, columns));
        } else if members.iter().take(position).any(|(earlier, _)| earlier == name) {
            findings.add(BadRow::new(file, line, "stands there twice").column(name));
        }
    }
    let cells: BTreeMap<String, Cell> = members
        .into_iter()
        .filter(|(_, value)| value.get() != "null")
        .map(|(name, value)| (name, Cell::Json(value.get().into())))
        .collect();
    (findings.count == before).then(|| Row {
        file: Arc::clone(file),
        line,
        cells,
    })
}

/// The members of an object as they stand in it; a map would keep one of two with the same name.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = object.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}
