//! Exports of orders and sales: begun, watched and fetched here, written by a worker.

use actix_web::HttpResponse;
use job_queue::{Job, NewJob, browse, enqueue, find_public};
use serde_json::{Value, json};
use uuid::Uuid;

use super::days::days;
use super::right::Right;
use super::view::{Cell, Field, Form, Row, Section, Table};
use super::visit::{Refusal, Visit};
use crate::http::ApiError;
use crate::job_status::file_of;
use crate::jobs::reporting_export::ReportingExport;
use crate::reports::Days;
use crate::reports::export::ExportRequest;

/// The form that begins one, and those that run or are done; nothing where exports are off.
pub(super) async fn sections(visit: &Visit, days: Days) -> Result<Vec<Section>, Refusal> {
    if visit.console.state.exports.is_none() {
        return Ok(Vec::new());
    }
    let kind = ReportingExport::KIND;
    let (running, done, dead) = visit
        .read(async |connection| {
            let dead = browse::DeadQuery {
                kind: Some(kind.name.to_owned()),
                ..browse::DeadQuery::default()
            };
            Ok((
                browse::of_kind(connection, kind).await?,
                browse::results(connection, kind.name, &json!({})).await?,
                browse::dead(connection, &dead).await?,
            ))
        })
        .await?;
    let rows = running.iter().map(running_row);
    let rows = rows.chain(done.iter().map(done_row));
    let rows = rows.chain(dead.rows.iter().take(10).map(dead_row)).collect();
    let mut sections = Vec::new();
    if visit.may(Right::Operate) {
        sections.push(Section::Form(Form {
            heading: "Export".into(),
            path: "/sales/export".into(),
            fields: vec![
                Field::hidden("from", &days.from().to_string()),
                Field::hidden("to", &days.to().to_string()),
                Field::choice("data", "What", "orders", &["orders", "sales"]),
                Field::choice("format", "Format", "csv", &["csv", "jsonl"]),
            ],
            submit: "Export in the background".into(),
            ..Form::default()
        }));
    }
    sections.push(Section::Table(Table {
        caption: "Exports".into(),
        head: vec!["Job", "State", "Progress", "Rows", "Since", "File"],
        rows,
        empty: "None within the retention of results.",
        ..Table::default()
    }));
    Ok(sections)
}

fn running_row(job: &Value) -> Row {
    let id = job.get("id").map(Value::to_string).unwrap_or_default();
    let is_running = job.get("state") == Some(&json!(1));
    let progress = job.get("progress").unwrap_or(&Value::Null);
    let percent = progress.get("percent").and_then(Value::as_i64);
    Row {
        cells: vec![
            Cell::Link(format!("/jobs/{id}"), id),
            Cell::Text(if is_running { "running" } else { "waits" }.into()),
            percent.map_or_else(
                || Cell::Text("–".into()),
                |percent| Cell::Text(format!("{percent} %")),
            ),
            Cell::of(progress, "rows"),
            Cell::of(job, "created_at"),
            Cell::Text("–".into()),
        ],
        ..Row::default()
    }
}

fn done_row(done: &Value) -> Row {
    let result = done.get("result").unwrap_or(&Value::Null);
    let name = result.get("object").and_then(Value::as_str).unwrap_or_default();
    let public = done.get("public_id").and_then(Value::as_str).unwrap_or_default();
    Row {
        cells: vec![
            Cell::of(done, "job_id"),
            Cell::Text("done".into()),
            Cell::Text("100 %".into()),
            Cell::of(result, "rows"),
            Cell::of(done, "finished_at"),
            Cell::Link(format!("/sales/export/{public}"), name.to_owned()),
        ],
        ..Row::default()
    }
}

fn dead_row(dead: &Value) -> Row {
    let id = dead.get("id").map(Value::to_string).unwrap_or_default();
    Row {
        cells: vec![
            Cell::Link(format!("/dead/{id}"), id),
            Cell::Bad("failed".into()),
            Cell::of(dead, "last_error"),
            Cell::Text("–".into()),
            Cell::of(dead, "died_at"),
            Cell::Text("–".into()),
        ],
        ..Row::default()
    }
}

/// GET /sales/export/{id}: the file of an export that is done.
pub(super) async fn file(visit: Visit) -> Result<HttpResponse, Refusal> {
    let id = Uuid::try_parse(visit.path("id")).map_err(|_| Refusal::Missing)?;
    let job = visit
        .read(async |connection| find_public(connection, id).await)
        .await?;
    let job = job
        .filter(|job| job.kind == ReportingExport::KIND.name)
        .ok_or(Refusal::Missing)?;
    file_of(&job, &visit.console.state)
        .await
        .map_err(|error| match error {
            ApiError::Unavailable => Refusal::Database(error.to_string()),
            _ => Refusal::Missing,
        })
}

/// POST /sales/export.
pub(super) async fn begin(visit: Visit) -> Result<HttpResponse, Refusal> {
    let days = days(&visit, None)?;
    let value = |name: &str, default: &str| visit.field(name).unwrap_or(default).to_owned();
    let request = json!({
        "data": value("data", "orders"), "format": value("format", "csv"),
        "from": days.from().to_string(), "to": days.to().to_string(),
    });
    let request = ExportRequest::parse(request.to_string().as_bytes())
        .map_err(|error| Refusal::Invalid(error.to_string()))?;
    if visit.console.state.exports.is_none() {
        return Err(Refusal::Invalid(
            "Exports are not configured (REPORT_LOCATION).".into(),
        ));
    }
    let id = Uuid::now_v7();
    let mut job =
        NewJob::of::<ReportingExport>(&request).map_err(|error| Refusal::Invalid(error.to_string()))?;
    if let Some(session) = &visit.session {
        job = job.owner(session.key);
    }
    let job = job.public(id);
    visit
        .act("reports.export", &format!("job {id}"), async |connection| {
            let ids = enqueue(connection, &[job]).await?;
            Ok((None, ids.first().map(|id| json!({ "job": id }))))
        })
        .await?;
    visit.console.state.queue.wake();
    Ok(visit.back("/sales", "exported"))
}
