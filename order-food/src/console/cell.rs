//! Values on pages of the console, many of them from rows that the database gave as JSON.

use chrono::{DateTime, Utc};
use job_queue::Priority;
use serde_json::Value;

/// A value in a table or a list of facts.
pub(super) enum Cell {
    Text(String),
    Number(String),
    Code(String),
    Link(String, String),
    Time(DateTime<Utc>),
    /// Something that wants to be looked at.
    Bad(String),
}

impl Cell {
    /// A member of a row that the database gave as JSON; a dash where there is none. Priorities and
    /// states of jobs are shown by their names.
    pub(super) fn of(row: &Value, member: &str) -> Cell {
        match row.get(member) {
            None | Some(Value::Null) => Cell::dash(),
            Some(Value::Number(number)) => match (member, number.as_i64()) {
                ("priority", Some(0..=4)) => Cell::text(priority_of(row).map_or("", Priority::name)),
                ("state", Some(0)) => Cell::text("queued"),
                ("state", Some(1)) => Cell::text("running"),
                _ if number.is_f64() => Cell::Number(format!("{:.1}", number.as_f64().unwrap_or_default())),
                _ => Cell::number(number),
            },
            Some(Value::String(text)) => match DateTime::parse_from_rfc3339(text) {
                Ok(time) => Cell::Time(time.to_utc()),
                Err(_) => Cell::Text(shortened(text.clone())),
            },
            Some(Value::Object(counts)) if !counts.is_empty() && counts.values().all(Value::is_number) => {
                let count =
                    |(name, number): (&String, &Value)| format!("{} {number}", name.replace('_', " "));
                Cell::Text(counts.iter().map(count).collect::<Vec<_>>().join(", "))
            }
            Some(other) => Cell::Code(shortened(other.to_string())),
        }
    }

    /// What stands where there is no value.
    pub(super) fn dash() -> Cell {
        Cell::text("–")
    }

    pub(super) fn text(text: impl Into<String>) -> Cell {
        Cell::Text(text.into())
    }

    /// The id of a row, as a link to what is below `path`.
    pub(super) fn link(path: &str, id: String) -> Cell {
        Cell::Link(format!("{path}/{id}"), id)
    }

    /// A whole number.
    pub(super) fn number(number: impl ToString) -> Cell {
        Cell::Number(number.to_string())
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self, Cell::Number(_))
    }

    /// A time, or a dash.
    pub(super) fn time(time: Option<DateTime<Utc>>) -> Cell {
        time.map_or_else(Cell::dash, Cell::Time)
    }
}

/// The id of a row that the database gave as JSON.
pub(super) fn id_of(row: &Value) -> String {
    row.get("id").map(Value::to_string).unwrap_or_default()
}

/// A member that is a text; empty where it is none.
pub(super) fn text_of<'a>(row: &'a Value, member: &str) -> &'a str {
    row.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// Whether a member is there and not null.
pub(super) fn has(row: &Value, member: &str) -> bool {
    row.get(member).is_some_and(|value| !value.is_null())
}

/// The priority of a job.
pub(super) fn priority_of(row: &Value) -> Option<Priority> {
    let number = row.get("priority").and_then(Value::as_i64)?;
    Priority::of(i16::try_from(number).ok()?)
}

/// The beginning of a long text: a page shows a hundred of them.
fn shortened(text: String) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", text.split_at(end).0),
        None => text,
    }
}

/// A time as the console writes it without JavaScript.
pub(super) fn utc(time: &DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}
