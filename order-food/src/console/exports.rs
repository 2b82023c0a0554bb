//! Exports of orders and sales: begun, watched and fetched here, written by a worker.

use actix_web::HttpResponse;
use job_queue::{Job, NewJob, browse, enqueue, find_public};
use serde_json::{Value, json};
use uuid::Uuid;

use super::cell::{Cell, id_of, text_of};
use super::days::days;
use super::right::Right;
use super::view::{Field, Form, Section, Table};
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
    let running = running.iter().map(running_row);
    let rows = running
        .chain(done.iter().map(done_row))
        .chain(dead.rows.iter().take(10).map(dead_row));
    let head = ["Job", "State", "Progress", "Rows", "Since", "File"];
    let table = Table::new("Exports", &head, rows, "None within the retention of results.");
    sections.push(Section::Table(table));
    Ok(sections)
}

fn running_row(job: &Value) -> [Cell; 6] {
    let is_running = job.get("state") == Some(&json!(1));
    let progress = job.get("progress").unwrap_or(&Value::Null);
    let percent = progress.get("percent").and_then(Value::as_i64);
    [
        Cell::link("/jobs", id_of(job)),
        Cell::text(if is_running { "running" } else { "waits" }),
        percent.map_or_else(Cell::dash, |percent| Cell::Text(format!("{percent} %"))),
        Cell::of(progress, "rows"),
        Cell::of(job, "created_at"),
        Cell::dash(),
    ]
}

fn done_row(done: &Value) -> [Cell; 6] {
    let result = done.get("result").unwrap_or(&Value::Null);
    let file = format!("/sales/export/{}", text_of(done, "public_id"));
    [
        Cell::of(done, "job_id"),
        Cell::text("done"),
        Cell::text("100 %"),
        Cell::of(result, "rows"),
        Cell::of(done, "finished_at"),
        Cell::Link(file, text_of(result, "object").to_owned()),
    ]
}

fn dead_row(dead: &Value) -> [Cell; 6] {
    [
        Cell::link("/dead", id_of(dead)),
        Cell::Bad("failed".into()),
        Cell::of(dead, "last_error"),
        Cell::dash(),
        Cell::of(dead, "died_at"),
        Cell::dash(),
    ]
}

/// GET /sales/export/{id}: the file of an export that is done.
pub(super) async fn file(visit: Visit) -> Result<HttpResponse, Refusal> {
    let id: Uuid = visit.id()?;
    let job = visit
        .read(async |connection| find_public(connection, id).await)
        .await?;
    let job = job
        .filter(|job| job.kind == ReportingExport::KIND.name)
        .ok_or(Refusal::Missing)?;
    file_of(&job, &visit.console.state)
        .await
        .map_err(|error| match error {
            ApiError::Unavailable => Refusal::database(error),
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
    let request = ExportRequest::parse(request.to_string().as_bytes()).map_err(Refusal::invalid)?;
    if visit.console.state.exports.is_none() {
        return Err(Refusal::invalid("Exports are not configured (REPORT_LOCATION)."));
    }
    let id = Uuid::now_v7();
    let mut job = NewJob::of::<ReportingExport>(&request).map_err(Refusal::invalid)?;
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
