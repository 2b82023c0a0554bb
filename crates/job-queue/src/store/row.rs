//! Rows that PostgreSQL writes as JSON.

use diesel::QueryableByName;
use diesel::sql_types::Jsonb;
use serde_json::Value;

#[derive(QueryableByName)]
pub(super) struct Row {
    #[diesel(sql_type = Jsonb)]
    pub(super) row: Value,
}

pub(super) fn values(rows: Vec<Row>) -> Vec<Value> {
    rows.into_iter().map(|row| row.row).collect()
}
