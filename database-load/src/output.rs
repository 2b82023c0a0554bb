//! What a command answers: lines for people, JSON for programs.

use std::fmt::Write as _;

use process::failure::Failure;
use serde_json::Value;
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use crate::load::failure;

/// The answer of a command, in both forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Lines, the last one with its end.
    pub text: String,
    /// One value.
    pub json: Value,
}

/// A column of a [`table`]: its head, and the field of each row.
pub(crate) type Column = (&'static str, &'static str);

/// Rows of a query, each as a JSON object with the columns' names.
pub(crate) async fn rows(
    client: &Client,
    query: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Value>, Failure> {
    let query = format!("SELECT to_jsonb(listed)::text FROM ({query}) AS listed");
    let rows = client.query(&query, values).await;
    let rows = rows.map_err(failure::database("read what is recorded"))?;
    rows.iter()
        .map(|row| serde_json::from_str(row.get(0)).map_err(|error| anyhow::Error::from(error).into()))
        .collect()
}

/// A titled table of some fields of each row; what a row has not is `-`.
pub(crate) fn table(title: &str, columns: &[Column], rows: &[Value]) -> String {
    let mut lines = vec![columns.iter().map(|(head, _)| (*head).to_owned()).collect()];
    for row in rows {
        let cells: Vec<String> = columns.iter().map(|(_, field)| cell(row.get(field))).collect();
        lines.push(cells);
    }
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|cells: &Vec<String>| cells.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut text = format!("{title}\n");
    for cells in &lines {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(&widths) {
            let _ = write!(line, "  {cell:width$}");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".into(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Object(fields)) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{name} {}", cell(Some(value))))
                .collect();
            fields.join(", ")
        }
        Some(Value::Array(values)) => {
            let values: Vec<String> = values.iter().map(|value| cell(Some(value))).collect();
            values.join(",")
        }
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_what_is_missing_is_a_dash() {
        let rows = [
            json!({ "name": "default", "rows": { "products": 10, "users": 2 } }),
            json!({ "name": "x", "rows": null }),
        ];

        let text = table(
            "Versions",
            &[("profile", "name"), ("rows", "rows"), ("age", "age")],
            &rows,
        );

        let expected = "Versions\n\
                        \x20 profile  rows                  age\n\
                        \x20 default  products 10, users 2  -\n\
                        \x20 x        -                     -\n";
        assert_eq!(text, expected);
    }
}
