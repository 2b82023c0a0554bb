//! The page of one job, and what can be done to it.

use actix_web::HttpResponse;
use job_queue::{CancelTarget, Cancelled, browse, cancel, operate};
use serde_json::{Value, json};

use super::jobs::{PRIORITIES, STATES};
use super::mask;
use super::right::Right;
use super::view::{Action, Cell, Facts, Row, Section, Table};
use super::visit::{Refusal, Visit};

/// GET /jobs/{id}.
pub(super) async fn show(visit: Visit) -> Result<HttpResponse, Refusal> {
    let id = visit.number("id")?;
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
    let steps = [
        ("queued", is_queued),
        ("running", !is_queued),
        ("done", false),
        ("dead", false),
    ];
    let mut sections = vec![Section::Steps(steps.into())];
    sections.extend(details(&visit, &job, &payload));
    if visit.may(Right::Operate) {
        let press = |path: &str, label: &str| Action {
            path: format!("/jobs/{id}/{path}"),
            label: label.into(),
            about: String::new(),
            fields: Vec::new(),
        };
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
        .map(
            |(name, _)| match (name.as_str(), job.get(name).and_then(Value::as_u64)) {
                ("priority", Some(number)) => (name.clone(), named(&PRIORITIES, number)),
                ("state", Some(number)) => (name.clone(), named(&STATES, number)),
                ("trace_ctx", _) => ("trace".to_owned(), trace(visit, job)),
                _ => (name.replace('_', " "), Cell::of(job, name)),
            },
        )
        .collect();
    let attempts = job.get("attempts").and_then(Value::as_array);
    let attempts = Table {
        caption: "Failed attempts".into(),
        head: vec!["Attempt", "Ended", "Took, ms", "Worker", "Error"],
        rows: attempts
            .into_iter()
            .flatten()
            .map(|attempt| Row {
                cells: Cell::row(attempt, &["attempt", "at", "ms", "worker", "error"]),
                ..Row::default()
            })
            .collect(),
        empty: "None.",
        ..Table::default()
    };
    vec![
        Section::Facts(Facts {
            heading: "State".into(),
            rows: facts,
        }),
        Section::Table(attempts),
        Section::Folded("Payload".into(), mask::pretty(payload)),
    ]
}

/// The trace of the request that enqueued the job, as a link where traces can be looked at.
fn trace(visit: &Visit, job: &Value) -> Cell {
    let context = job.get("trace_ctx").and_then(Value::as_str).unwrap_or_default();
    let id = context.split('-').nth(1).unwrap_or_default();
    let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    match &visit.console.trace_url {
        Some(url) if is_id => Cell::Link(url.of(id), id.to_owned()),
        _ => Cell::Code(context.to_owned()),
    }
}

fn named(names: &[&str], number: u64) -> Cell {
    let name = usize::try_from(number).ok().and_then(|number| names.get(number));
    Cell::Text(name.map_or_else(|| number.to_string(), |name| (*name).to_owned()))
}

/// What can be done to jobs that wait or run.
#[derive(Clone, Copy)]
enum Press {
    Cancel,
    RunNow,
}

/// POST /jobs/{id}/cancel.
pub(super) async fn cancel_job(visit: Visit) -> Result<HttpResponse, Refusal> {
    let id = visit.number("id")?;
    press(&visit, &[id], Press::Cancel).await
}

/// POST /jobs/{id}/run.
pub(super) async fn run_now(visit: Visit) -> Result<HttpResponse, Refusal> {
    let id = visit.number("id")?;
    press(&visit, &[id], Press::RunNow).await
}

/// POST /jobs/change: cancels those with these ids, or makes them due.
pub(super) async fn change(visit: Visit) -> Result<HttpResponse, Refusal> {
    let ids = visit.ids();
    match visit.field("do") {
        _ if ids.is_empty() => Err(Refusal::Invalid("No job was chosen.".into())),
        Some("cancel") => press(&visit, &ids, Press::Cancel).await,
        Some("run") => press(&visit, &ids, Press::RunNow).await,
        _ => Err(Refusal::Invalid("Choose to cancel or to run them now.".into())),
    }
}

async fn press(visit: &Visit, ids: &[i64], press: Press) -> Result<HttpResponse, Refusal> {
    let (action, word) = match press {
        Press::Cancel => ("jobs.cancel", "cancelled"),
        Press::RunNow => ("jobs.run_now", "run"),
    };
    let numbers = ids.iter().map(i64::to_string).collect::<Vec<_>>().join(" ");
    let target = if ids.len() == 1 { "job" } else { "jobs" };
    let done = visit
        .act(action, &format!("{target} {numbers}"), async |connection| {
            let (mut before, mut after) = (Vec::new(), Vec::new());
            for id in ids {
                let job = operate::show(connection, *id).await?.map(without_payload);
                let changed = match press {
                    Press::Cancel => {
                        cancel(connection, CancelTarget::Id(*id))
                            .await?
                            .map(|cancelled| match cancelled {
                                Cancelled::Queued(_) => json!({ "cancelled": "queued" }),
                                Cancelled::Running(_) => json!({ "cancelled": "running" }),
                            })
                    }
                    Press::RunNow => operate::run_now(connection, *id).await?,
                };
                before.extend(job);
                after.extend(changed);
            }
            Ok((recorded(before), recorded(after)))
        })
        .await?;
    visit.console.state.queue.wake();
    Ok(visit.back("/jobs", if done.is_some() { word } else { "nothing" }))
}

/// One state as it is, several as a list.
fn recorded(mut states: Vec<Value>) -> Option<Value> {
    match states.len() {
        0 | 1 => states.pop(),
        _ => Some(Value::Array(states)),
    }
}

/// What is recorded of a job: payloads may hold more than the record should.
fn without_payload(mut job: Value) -> Value {
    if let Some(job) = job.as_object_mut() {
        job.remove("payload");
    }
    job
}
