//! Rows for people, or as JSON.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::Write;

use job_queue::Priority;
use process::failure::{ExitCode, Failure, OrExit};
use serde_json::{Map, Value};

/// Where answers go, and in which form.
#[derive(Clone, Copy)]
pub(super) struct Output {
    json: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Output {
        Output { json }
    }

    pub(super) fn is_json(self) -> bool {
        self.json
    }

    /// Rows: an array of objects, or these columns under their names.
    pub(super) fn table(self, columns: &str, rows: &[Value]) -> Result<ExitCode, Failure> {
        if self.json {
            return self.line(&Value::Array(rows.iter().map(named).collect()).to_string());
        }
        let columns: Vec<&str> = columns.split(' ').collect();
        let mut lines: Vec<Vec<String>> = vec![columns.iter().map(|name| (*name).to_owned()).collect()];
        for row in rows {
            let row = named(row);
            lines.push(columns.iter().map(|column| cell(row.get(*column))).collect());
        }
        let widths: Vec<usize> = (0..columns.len())
            .map(|column| {
                let cells = lines.iter().filter_map(|line| line.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        for line in &lines {
            let cells: Vec<String> = line
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:<width$}"))
                .collect();
            self.line(cells.join("  ").trim_end())?;
        }
        Ok(ExitCode::Done)
    }

    /// One object: on one line, or a member a line.
    pub(super) fn object(self, object: Value) -> Result<ExitCode, Failure> {
        let object = named(&object);
        match (&object, self.json) {
            (Value::Object(members), false) => {
                for (name, value) in members {
                    self.line(&format!("{name}: {}", cell(Some(value))))?;
                }
                Ok(ExitCode::Done)
            }
            _ => self.line(&object.to_string()),
        }
    }

    pub(super) fn line(self, text: &str) -> Result<ExitCode, Failure> {
        writeln!(std::io::stdout().lock(), "{text}").or_exit(ExitCode::Input, "standard output")?;
        Ok(ExitCode::Done)
    }
}

/// The row with the names of priority and state in place of their numbers.
fn named(row: &Value) -> Value {
    let Value::Object(members) = row else {
        return row.clone();
    };
    let mut members = members.clone();
    let number = |members: &Map<String, Value>, name: &str| members.get(name).and_then(Value::as_i64);
    if let Some(priority) = number(&members, "priority")
        && let Some(priority) = i16::try_from(priority).ok().and_then(Priority::of)
    {
        members.insert("priority".to_owned(), priority.name().into());
    }
    if let Some(state) = number(&members, "state") {
        let state = if state == 1 { "running" } else { "queued" };
        members.insert("state".to_owned(), state.into());
    }
    Value::Object(members)
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.replace(['\n', '\r'], " "),
        Some(Value::Number(number)) if number.is_f64() => {
            format!("{:.1}", number.as_f64().unwrap_or_default())
        }
        Some(other) => other.to_string(),
    }
}

/// Rows of living jobs and of dead letters become one per kind and priority, by urgency.
pub(super) fn merge(rows: Vec<Value>) -> Vec<Value> {
    let mut merged: BTreeMap<(i64, String), Value> = BTreeMap::new();
    for row in rows {
        let priority = row.get("priority").and_then(Value::as_i64).unwrap_or_default();
        let kind = row.get("kind").and_then(Value::as_str).unwrap_or_default();
        match merged.entry((priority, kind.to_owned())) {
            Entry::Vacant(entry) => {
                entry.insert(row);
            }
            Entry::Occupied(mut entry) => {
                let dead = row.get("dead").filter(|dead| dead.as_i64() != Some(0));
                if let (Some(dead), Some(before)) = (dead, entry.get_mut().as_object_mut()) {
                    before.insert("dead".to_owned(), dead.clone());
                }
            }
        }
    }
    merged.values().map(named).collect()
}
