//! A JSON array of objects, or one object per line.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Cell, Column, Sink};

pub(super) fn read_lines(text: &[u8], sink: &mut Sink<'_>) {
    for (line, text) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        if text.trim_ascii().is_empty() {
            continue;
        }
        match std::str::from_utf8(text) {
            Ok(text) => object(line, text, sink),
            Err(_) => sink.reject(sink.bad(line, "is not UTF-8"), text.trim_ascii()),
        }
    }
}

pub(super) fn read_array(text: &[u8], sink: &mut Sink<'_>) {
    let line_of = |end: usize| 1 + text.iter().take(end).filter(|byte| **byte == b'\n').count() as u64;
    let text = match std::str::from_utf8(text) {
        Ok(text) => text,
        Err(error) => {
            let (before, wrong) = text.split_at(error.valid_up_to());
            // What stands before it in its line helps to find it.
            let start = before
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |end| end + 1);
            let end = wrong
                .iter()
                .position(|byte| *byte == b'\n')
                .unwrap_or(wrong.len());
            let value = text.get(start..before.len() + end).unwrap_or_default();
            sink.reject(
                sink.bad(line_of(before.len()), "is not UTF-8"),
                value.trim_ascii(),
            );
            return;
        }
    };
    let objects: Vec<&RawValue> = match serde_json::from_str(text) {
        Ok(objects) => objects,
        Err(error) => {
            let reason = format!("is not a JSON array of objects (column {})", error.column());
            sink.findings.add(sink.bad(error.line() as u64, reason));
            return;
        }
    };
    let (mut counted, mut line) = (0, 1);
    for raw in objects {
        // Each value is a piece of `text`.
        let start = (raw.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        let passed = text.as_bytes().get(counted..start).unwrap_or_default();
        line += passed.iter().filter(|byte| **byte == b'\n').count() as u64;
        counted = start;
        object(line, raw.get(), sink);
    }
}

fn object(line: u64, text: &str, sink: &mut Sink<'_>) {
    // The error's own text may quote the value, which may be a secret.
    let Ok(Members(members)) = serde_json::from_str(text) else {
        sink.reject(sink.bad(line, "is not a JSON object"), text.trim().as_bytes());
        return;
    };
    let before = sink.findings.count;
    let members = flattened(line, members, sink);
    for (position, (name, _)) in members.iter().enumerate() {
        if !sink.columns.iter().any(|column| column.name == name) {
            sink.findings.add(sink.unknown_column(line, position + 1, name));
        } else if members.iter().take(position).any(|(earlier, _)| earlier == name) {
            sink.findings
                .add(sink.bad(line, "stands there twice").column(name));
        }
    }
    let cells: BTreeMap<String, Cell> = members
        .into_iter()
        .filter(|(name, value)| value.get() != "null" || sink.takes_null(name))
        .map(|(name, value)| (name, Cell::Json(value.get().into())))
        .collect();
    if sink.findings.count == before {
        sink.row(line, cells);
    }
}

/// The members with those of objects in their place: `image_mobile` for `{"image": {"mobile": …}}`.
fn flattened<'a>(
    line: u64,
    members: Vec<(String, &'a RawValue)>,
    sink: &mut Sink<'_>,
) -> Vec<(String, &'a RawValue)> {
    let mut flat = Vec::with_capacity(members.len());
    let mut objects: Vec<String> = Vec::new();
    for (object, value) in members {
        let is_object = |column: &Column| column.object == Some(&object);
        if !sink.columns.iter().any(is_object) {
            flat.push((object, value));
            continue;
        }
        if objects.contains(&object) {
            let bad = sink.bad(line, "stands there twice").column(&object);
            sink.findings.add(bad);
        } else if let Ok(Members(members)) = serde_json::from_str(value.get()) {
            let named = |(name, value)| (format!("{object}_{name}"), value);
            flat.extend(members.into_iter().map(named));
        } else if value.get() != "null" {
            let bad = sink.bad(line, "is not a JSON object").column(&object);
            sink.reject(bad, value.get().as_bytes());
        }
        objects.push(object);
    }
    flat
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
