//! The table of values in a chart's README, made from the comments in values.yaml.

use std::fmt::Write;

use serde_json::Value;

use crate::chart;

/// A value of a chart: where it stands, what it is by default, and what it is for.
#[derive(Debug)]
pub struct Entry {
    /// Its path, as `image.tag`.
    pub path: String,
    /// The default, as JSON.
    pub default: String,
    /// Its comment; empty when there is none.
    pub comment: String,
}

const BEGIN: &str = "<!-- values: begin, written by `make charts` -->\n";
const END: &str = "<!-- values: end -->\n";

/// The values of a chart, in the order of the file. A map is one entry for each of its values,
/// unless its comment stands for the whole of it and its values have none.
#[must_use]
pub fn entries(chart_name: &str) -> Vec<Entry> {
    let text = std::fs::read_to_string(chart(chart_name).join("values.yaml")).unwrap();
    let values: Value = yaml_serde::from_str(&text).unwrap();
    let mut comments: Vec<(String, String)> = Vec::new();
    let mut open: Vec<(usize, String)> = Vec::new();
    let mut comment = String::new();
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let line = line.trim();
        if let Some(words) = line.strip_prefix('#') {
            let space = if comment.is_empty() { "" } else { " " };
            write!(comment, "{space}{}", words.trim()).unwrap();
            continue;
        }
        let key = line.split_once(':').map_or("", |(key, _)| key);
        let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if is_key {
            open.retain(|(level, _)| *level < indent);
            open.push((indent, key.to_owned()));
            let path: Vec<&str> = open.iter().map(|(_, key)| key.as_str()).collect();
            comments.push((path.join("."), std::mem::take(&mut comment)));
        }
        comment.clear();
    }
    let mut entries = Vec::new();
    collect(&values, "", "", &comments, &mut entries);
    entries.sort_by_key(|entry| comments.iter().position(|(path, _)| *path == entry.path));
    entries
}

fn collect(
    value: &Value,
    path: &str,
    inherited: &str,
    comments: &[(String, String)],
    entries: &mut Vec<Entry>,
) {
    let comment = |path: &str| {
        let found = comments.iter().find(|(known, _)| known == path);
        found.map(|(_, comment)| comment.as_str()).unwrap_or_default()
    };
    let own = comment(path);
    let fields = value.as_object().filter(|fields| !fields.is_empty());
    let described = fields.is_some_and(|fields| {
        fields.keys().any(|key| {
            let below = format!("{path}.{key}");
            comments.iter().any(|(known, comment)| {
                (*known == below || known.starts_with(&format!("{below}."))) && !comment.is_empty()
            })
        })
    });
    match fields {
        Some(fields) if path.is_empty() || described || own.is_empty() => {
            for (key, field) in fields {
                let below = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                collect(field, &below, own, comments, entries);
            }
        }
        _ => entries.push(Entry {
            path: path.to_owned(),
            default: value.to_string(),
            comment: if own.is_empty() { inherited } else { own }.to_owned(),
        }),
    }
}

/// The chart's README as it should be: with the table that its values make.
///
/// # Panics
/// When the file does not hold the two marks between which the table stands.
#[must_use]
pub fn readme(chart_name: &str) -> String {
    let text = std::fs::read_to_string(chart(chart_name).join("README.md")).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the mark before the table");
    let (_, after) = rest.split_once(END).expect("the mark behind the table");
    let mut table = String::from("| value | default | |\n|---|---|---|\n");
    for Entry {
        path,
        default,
        comment,
    } in entries(chart_name)
    {
        let cell = |text: &str| text.replace('|', "\\|");
        writeln!(table, "| `{path}` | `{}` | {} |", cell(&default), cell(&comment)).unwrap();
    }
    format!("{before}{BEGIN}{table}{END}{after}")
}
