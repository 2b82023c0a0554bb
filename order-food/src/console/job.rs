//! The page of one job, and what can be done to it.

use actix_web::HttpResponse;
use job_queue::{browse, operate};
use process::telemetry::RequestSampler;
use serde_json::{Value, json};

use super::cell::{Cell, text_of};
use super::mask;
use super::right::Right;
use super::view::{Action, Facts, Section, Table};
use super::visit::{Refusal, Visit};
use crate::jobs::job_action::JobAction;

/// GET /jobs/{id}.
pub(super) async fn show(visit: Visit) -> Result<HttpResponse, Refusal> {
    let id: i64 = visit.id()?;
    let (job, payload) = visit
        .read(async |connection| {
            Ok((
                operate::show(connection, id).await?,
                browse::payload(connection, id).await?,
            ))
        })
        .await?;
    let job = job.ok_or(Refusal::Missing)?;
    let is_queued = job.get("state") == Some(&json!(0));
    let position = if is_queued { "queued" } else { "running" };
    let steps = ["queued", "running", "done", "dead"].map(|step| (step, step == position));
    let mut sections = vec![Section::Steps(steps.into())];
    sections.extend(details(&visit, &job, &payload));
    if visit.may(Right::Operate) {
        let press =
            |path: &str, label: &str| Action::new(format!("/jobs/{id}/{path}"), label, "", Vec::new());
        let run = is_queued.then(|| press("run", "Run now"));
        sections.push(Section::Actions(
            run.into_iter().chain([press("cancel", "Cancel")]).collect(),
        ));
    }
    Ok(visit.page(format!("Job {id}"), sections))
}

/// The facts of a job or a dead letter, its attempts and its payload.
pub(super) fn details(visit: &Visit, job: &Value, payload: &str) -> Vec<Section> {
    let hidden = ["payload", "attempts", "id", "min_build"];
    let rows = job.as_object().into_iter().flatten();
    let facts = rows
        .filter(|(name, value)| !hidden.contains(&name.as_str()) && !value.is_null())
        .map(|(name, _)| match name.as_str() {
            "trace_ctx" => ("trace".to_owned(), trace(visit, job)),
            _ => (name.replace('_', " "), Cell::of(job, name)),
        })
        .collect();
    let attempts = job.get("attempts").and_then(Value::as_array);
    let columns = [
        ("Attempt", "attempt"),
        ("Ended", "at"),
        ("Took, ms", "ms"),
        ("Worker", "worker"),
        ("Error", "error"),
    ];
    let attempts = attempts.map(Vec::as_slice).unwrap_or_default();
    vec![
        Section::Facts(Facts {
            heading: "State".into(),
            rows: facts,
        }),
        Section::Table(Table::of("Failed attempts", &columns, attempts, "None.")),
        Section::Folded("Payload".into(), mask::pretty(payload)),
    ]
}

/// The trace of the request that enqueued the job, as a link where traces can be looked at.
fn trace(visit: &Visit, job: &Value) -> Cell {
    let context = text_of(job, "trace_ctx");
    match (&visit.console.trace_url, RequestSampler::parse(context)) {
        (Some(url), Some(span)) => {
            let id = span.trace_id().to_string();
            Cell::Link(url.of(&id), id)
        }
        _ => Cell::Code(context.to_owned()),
    }
}

/// POST /jobs/{id}/cancel.
pub(super) async fn cancel_job(visit: Visit) -> Result<HttpResponse, Refusal> {
    press(&visit, &[visit.id()?], JobAction::Cancel).await
}

/// POST /jobs/{id}/run.
pub(super) async fn run_now(visit: Visit) -> Result<HttpResponse, Refusal> {
    press(&visit, &[visit.id()?], JobAction::RunNow).await
}

/// POST /jobs/change: cancels those with these ids, or makes them due.
pub(super) async fn change(visit: Visit) -> Result<HttpResponse, Refusal> {
    let ids = visit.ids();
    match visit.field("do") {
        _ if ids.is_empty() => Err(Refusal::invalid("No job was chosen.")),
        Some("cancel") => press(&visit, &ids, JobAction::Cancel).await,
        Some("run") => press(&visit, &ids, JobAction::RunNow).await,
        _ => Err(Refusal::invalid("Choose to cancel or to run them now.")),
    }
}

async fn press(visit: &Visit, ids: &[i64], action: JobAction) -> Result<HttpResponse, Refusal> {
    let numbers = ids.iter().map(i64::to_string).collect::<Vec<_>>().join(" ");
    let jobs = if ids.len() == 1 { "job" } else { "jobs" };
    let done = visit
        .act(action.name(), &format!("{jobs} {numbers}"), async |connection| {
            let (mut before, mut after) = (Vec::new(), Vec::new());
            for id in ids {
                let (was, is) = action.apply(connection, *id).await?;
                before.extend(was);
                after.extend(is);
            }
            Ok((recorded(before), recorded(after)))
        })
        .await?;
    visit.console.state.queue.wake();
    let word = match (done, action) {
        (None, _) => "nothing",
        (_, JobAction::Cancel) => "cancelled",
        (_, JobAction::RunNow) => "run",
    };
    Ok(visit.back("/jobs", word))
}

/// One state as it is, several as a list.
fn recorded(mut states: Vec<Value>) -> Option<Value> {
    match states.len() {
        0 | 1 => states.pop(),
        _ => Some(Value::Array(states)),
    }
}
