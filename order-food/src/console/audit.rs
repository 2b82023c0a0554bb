//! The record of what operators did, as a page and as CSV.

use actix_web::HttpResponse;
use actix_web::http::header;
use serde_json::Value;

use super::jobs::with_field;
use super::loads;
use super::view::{Field, Form, Section};
use super::visit::{Refusal, Visit};

/// $1: text that action or target contain, with the id below which to look after a line break.
const ACTIONS: &str = "
    SELECT to_jsonb(operator_actions) AS row FROM operator_actions
    WHERE (split_part($1, chr(10), 1) = '' OR strpos(action || ' ' || target, split_part($1, chr(10), 1)) > 0)
        AND (split_part($1, chr(10), 2) = '' OR id < split_part($1, chr(10), 2)::bigint)
    ORDER BY id DESC LIMIT ";

const PAGE: usize = 100;
const MOST_IN_CSV: usize = 100_000;

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

async fn actions(visit: &Visit, most: usize) -> Result<Vec<Value>, Refusal> {
    let text = visit.field("text").unwrap_or_default().replace('\n', " ");
    let before = visit.field("before").and_then(|id| id.parse::<i64>().ok());
    let before = before.map_or_else(String::new, |id| id.to_string());
    let sql = format!("{ACTIONS}{most}");
    visit
        .read(async |connection| loads::rows_of(connection, &sql, &format!("{text}\n{before}")).await)
        .await
}

/// GET /audit.
pub(super) async fn show(visit: Visit) -> Result<HttpResponse, Refusal> {
    let rows = actions(&visit, PAGE).await?;
    let filter = Form {
        path: "/audit".into(),
        get: true,
        fields: vec![Field::text(
            "text",
            "Action or target contains",
            visit.field("text").unwrap_or_default(),
        )],
        submit: "Show".into(),
        ..Form::default()
    };
    let mut table = loads::table("Actions, newest first", &COLUMNS, &rows, "Nothing was done yet.");
    if let (Section::Table(table), true) = (&mut table, rows.len() == PAGE) {
        let last = rows.last().and_then(|row| row.get("id")).map(Value::to_string);
        table.next = last.map(|id| with_field(&visit, "/audit", "before", &id));
    }
    let csv = vec![(
        with_field(&visit, "/audit.csv", "before", ""),
        "As CSV".to_owned(),
    )];
    Ok(visit.page("Audit", vec![Section::Form(filter), table, Section::Links(csv)]))
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
