//! How the rows that should be active differ from those that are: what a load would do, and what
//! has drifted.

mod codes;
mod tables;

use process::failure::Failure;
use serde::Serialize;
use tokio_postgres::Client;

pub(crate) use codes::compare as compare_codes;

use crate::datasets::{DatasetKind, StagedRow, Table};
use crate::load::failure;

/// Most rows of one kind that are named; all are counted.
pub const NAMED_ROWS: usize = 1000;

/// Rows compared in one statement.
const ROWS_AT_ONCE: usize = 5000;

/// The differences of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The table.
    pub table: &'static str,
    /// Rows that should be there and are not: a load adds them.
    pub missing: Rows,
    /// Rows that are there with other values: a load changes them.
    pub different: Rows,
    /// Active rows that should not be: a load retires them.
    pub extra: Rows,
}

/// Rows of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rows {
    /// How many there are.
    pub count: u64,
    /// The first [`NAMED_ROWS`] of them.
    pub rows: Vec<Row>,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// A product's id, a promotion's code.
    pub key: String,
    /// The columns that differ; none of a row that is missing, or that should not be there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<Column>,
}

/// One column of a row that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Its name.
    pub column: String,
    /// What the table holds; never told of keys and users.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored: Option<String>,
    /// What it should hold; never told of keys and users.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted: Option<String>,
}

impl Difference {
    /// Nothing differs.
    pub fn is_empty(&self) -> bool {
        self.missing.count + self.different.count + self.extra.count == 0
    }

    fn of(table: &'static str) -> Difference {
        Difference {
            table,
            ..Difference::default()
        }
    }
}

impl Rows {
    fn add(&mut self, row: Row) {
        self.count += 1;
        if self.rows.len() < NAMED_ROWS {
            self.rows.push(row);
        }
    }
}

/// The rows that should be active.
#[derive(Clone, Copy)]
pub(crate) enum Expected<'a> {
    /// Those of a version that was staged.
    Version(i64),
    /// Those that were just read.
    Read(&'a [StagedRow]),
}

/// Compares all tables of a dataset, but for coupon codes: see [`compare_codes`].
pub(crate) async fn compare(
    client: &Client,
    dataset: DatasetKind,
    wanted: Expected<'_>,
) -> Result<Vec<Difference>, Failure> {
    let mut differences = Vec::new();
    for table in dataset.tables() {
        differences.push(compare_table(client, table, wanted).await?);
    }
    Ok(differences)
}

async fn compare_table(client: &Client, table: &Table, wanted: Expected<'_>) -> Result<Difference, Failure> {
    let mut difference = Difference::of(table.name);
    let doing = || failure::database(&format!("compare {}", table.name));
    match wanted {
        Expected::Version(version) => {
            let rows = client
                .query(&tables::differing_from_version(table), &[&version, &table.name])
                .await;
            difference.note(table, &rows.map_err(doing())?);
            if let Some(extra) = tables::beyond_version(table) {
                let rows = client.query(&extra, &[&version, &table.name]).await;
                difference.note_extra(&rows.map_err(doing())?);
            }
        }
        Expected::Read(read) => {
            let own: Vec<&StagedRow> = read.iter().filter(|row| row.table == table.name).collect();
            for rows in own.chunks(ROWS_AT_ONCE) {
                let keys: Vec<&str> = rows.iter().map(|row| row.key.as_str()).collect();
                let json: Vec<&str> = rows.iter().map(|row| row.json.as_str()).collect();
                let rows = client
                    .query(&tables::differing_from_rows(table), &[&keys, &json])
                    .await;
                difference.note(table, &rows.map_err(doing())?);
            }
            if let Some(extra) = tables::beyond_keys(table) {
                let keys: Vec<&str> = own.iter().map(|row| row.key.as_str()).collect();
                difference.note_extra(&client.query(&extra, &[&keys]).await.map_err(doing())?);
            }
        }
    }
    Ok(difference)
}

impl Difference {
    /// Rows `(key, missing, columns)`, where columns is `{"price": ["9.99", "10.49"]}` as text.
    fn note(&mut self, table: &Table, rows: &[tokio_postgres::Row]) {
        for row in rows {
            let (key, is_missing) = (row.get(0), row.get(1));
            if is_missing {
                self.missing.add(Row {
                    key,
                    columns: Vec::new(),
                });
                continue;
            }
            let columns: Option<String> = row.get(2);
            let columns = columns.as_deref().map(|json| tables::columns(table, json));
            self.different.add(Row {
                key,
                columns: columns.unwrap_or_default(),
            });
        }
    }

    fn note_extra(&mut self, rows: &[tokio_postgres::Row]) {
        for row in rows {
            self.extra.add(Row {
                key: row.get(0),
                columns: Vec::new(),
            });
        }
    }
}
