//! The record of what operators did, as a page and as CSV.

use actix_web::HttpResponse;
use actix_web::http::header;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel_async::RunQueryDsl;
use serde_json::Value;

use super::loads::Json;
use super::view::{Field, Form, Section, Table};
use super::visit::{Refusal, Visit};

/// $1: text that action or target contain; $2: the id below which to look, null is any.
const ACTIONS: &str = "
    SELECT to_jsonb(operator_actions) AS row FROM operator_actions
    WHERE ($1 = '' OR strpos(action || ' ' || target, $1) > 0) AND ($2::bigint IS NULL OR id < $2)
    ORDER BY id DESC LIMIT $3";

const PAGE: i64 = 100;
const MOST_IN_CSV: i64 = 100_000;

const COLUMNS: [(&str, &str); 10] = [
    ("Id", "id"),
    ("At", "at"),
    ("Key", "key_id"),
    ("Via", "via"),
    ("Action", "action"),
    ("Target", "target"),
    ("Before", "before"),
    ("After", "after"),
    ("Outcome", "outcome"),
    ("Request", "request_id"),
];

async fn actions(visit: &Visit, most: i64) -> Result<Vec<Value>, Refusal> {
    let before: Option<i64> = visit.field("before").and_then(|id| id.parse().ok());
    visit
        .read(async |connection| {
            let rows: Vec<Json> = diesel::sql_query(ACTIONS)
                .bind::<Text, _>(visit.field("text").unwrap_or_default())
                .bind::<Nullable<BigInt>, _>(before)
                .bind::<BigInt, _>(most)
                .load(connection)
                .await?;
            Ok(rows.into_iter().map(|row| row.row).collect())
        })
        .await
}

/// GET /audit.
pub(super) async fn show(visit: Visit) -> Result<HttpResponse, Refusal> {
    let rows = actions(&visit, PAGE).await?;
    let text = visit.field("text").unwrap_or_default();
    let contains = Field::text("text", "Action or target contains", text);
    let filter = Form::filter("", "/audit", vec![contains]);
    let last = rows
        .last()
        .filter(|_| rows.len() as i64 == PAGE)
        .and_then(|row| row.get("id"));
    let table = Table {
        next: visit.older("/audit", last.and_then(Value::as_i64)),
        ..Table::of("Actions, newest first", &COLUMNS, &rows, "Nothing was done yet.")
    };
    let csv = vec![(visit.with_field("/audit.csv", "before", ""), "As CSV".to_owned())];
    let sections = vec![Section::Form(filter), Section::Table(table), Section::Links(csv)];
    Ok(visit.page("Audit", sections))
}

/// GET /audit.csv: the newest 100,000 that match.
pub(super) async fn csv(visit: Visit) -> Result<HttpResponse, Refusal> {
    let rows = actions(&visit, MOST_IN_CSV).await?;
    let mut text = COLUMNS.map(|(_, member)| member).join(",") + "\r\n";
    for row in &rows {
        let cells = COLUMNS.map(|(_, member)| quoted(row.get(member)));
        text += &(cells.join(",") + "\r\n");
    }
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/csv; charset=utf-8"))
        .insert_header((header::CONTENT_DISPOSITION, "attachment; filename=\"audit.csv\""))
        .body(text))
}

/// A value of RFC 4180; one that a spreadsheet would take for a formula gets an apostrophe.
fn quoted(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => return String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let apostrophe = if formula { "'" } else { "" };
    format!("\"{apostrophe}{}\"", text.replace('"', "\"\""))
}
