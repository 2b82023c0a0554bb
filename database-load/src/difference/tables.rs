//! The statements that compare the tables of a dataset, and their answers.

use std::collections::BTreeMap;

use super::Column;
use crate::datasets::{StoredColumn, Table};

/// The staged rows of version `$1` of table `$2`.
const OF_VERSION: &str = "SELECT key, row FROM dataset_rows WHERE version = $1 AND dataset = $2";

/// The rows with the keys `$1` and the values `$2`.
const OF_ROWS: &str = "SELECT key, row::jsonb FROM unnest($1::text[], $2::text[]) AS staged (key, row)";

/// What is compared of a table: rows that belong to run time are there or not.
fn compared(table: &Table) -> &'static [StoredColumn] {
    let length = table.active.map_or(1, |_| table.columns.len());
    table.columns.get(..length).unwrap_or(table.columns)
}

/// The rows of version `$1` that the table, whose name is `$2`, has not, or otherwise: key, whether
/// it is missing, columns.
pub(super) fn differing_from_version(table: &Table) -> String {
    differing(table, OF_VERSION)
}

/// As [`differing_from_version`], of the rows with the keys `$1` and the values `$2`.
pub(super) fn differing_from_rows(table: &Table) -> String {
    differing(table, OF_ROWS)
}

/// Keys of active rows that version `$1` of the table `$2` has not; none of a table that keeps all
/// rows.
pub(super) fn beyond_version(table: &Table) -> Option<String> {
    beyond(
        table,
        "SELECT key FROM dataset_rows WHERE version = $1 AND dataset = $2",
    )
}

/// As [`beyond_version`], with the keys `$1`.
pub(super) fn beyond_keys(table: &Table) -> Option<String> {
    beyond(table, "SELECT key FROM unnest($1::text[]) AS staged (key)")
}

fn differing(table: &Table, staged: &str) -> String {
    let columns = compared(table);
    let names = table.list(columns, |column| column.name.to_owned());
    let stored = table.list(columns, |column| match column.read {
        Some(read) => format!("{read} AS {}", column.name),
        None => column.name.to_owned(),
    });
    let (is, must_be) = match table.active {
        Some(active) => (format!(", {active}"), format!(", true AS {active}")),
        None => (String::new(), String::new()),
    };
    // Both sides have the types of the table, so that 9.9 is 9.90 and an instant has one spelling.
    format!(
        "WITH staged AS ({staged}), wanted AS (
             SELECT key, to_jsonb(shaped) AS row
             FROM staged
             CROSS JOIN LATERAL (
                 SELECT {names}{must_be} FROM jsonb_to_record(staged.row) AS typed ({types})
             ) AS shaped
         ), stored AS (
             SELECT {key}::text AS key, to_jsonb(shaped) AS row
             FROM (SELECT {stored}{is} FROM {name}) AS shaped
         )
         SELECT key, stored.row IS NULL,
                (SELECT jsonb_object_agg(old.key, jsonb_build_array(old.value #>> '{{}}', new.value #>> '{{}}'))::text
                 FROM jsonb_each(stored.row) AS old JOIN jsonb_each(wanted.row) AS new USING (key)
                 WHERE old.value <> new.value)
         FROM wanted LEFT JOIN stored USING (key)
         WHERE wanted.row IS DISTINCT FROM stored.row
         ORDER BY length(key), key",
        types = table.staged_columns(),
        key = table.key(),
        name = table.name,
    )
}

fn beyond(table: &Table, keys: &str) -> Option<String> {
    let (name, key) = (table.name, table.key());
    table.active.map(|active| {
        format!(
            "SELECT key FROM (SELECT {key}::text AS key FROM {name} WHERE {active}) AS stored
             WHERE NOT EXISTS (SELECT FROM ({keys}) AS wanted WHERE wanted.key = stored.key)
             ORDER BY length(key), key"
        )
    })
}

/// The columns of a row that differs, from `{"price": ["9.99", "10.49"]}`.
pub(super) fn columns(table: &Table, json: &str) -> Vec<Column> {
    let columns: BTreeMap<String, (Option<String>, Option<String>)> =
        serde_json::from_str(json).unwrap_or_default();
    let column = |(column, (stored, wanted))| {
        let (stored, wanted) = if table.is_secret {
            (None, None)
        } else {
            (stored, wanted)
        };
        Column {
            column,
            stored,
            wanted,
        }
    };
    columns.into_iter().map(column).collect()
}
