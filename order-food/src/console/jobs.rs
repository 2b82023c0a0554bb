//! The page of queues, workers and pauses, and that of one job.

use actix_web::HttpResponse;
use job_queue::browse::{self, JobQuery};
use job_queue::{CancelTarget, Cancelled, Priority, cancel, operate};
use serde_json::{Value, json};

use super::mask;
use super::right::Right;
use super::view::{Action, Cell, Facts, Field, Form, Row, Section, Table};
use super::visit::{Refusal, Visit};

/// GET /jobs: priorities, workers, pauses, and the newest jobs that match the filter.
pub(super) async fn list(visit: Visit) -> Result<HttpResponse, Refusal> {
    let query = JobQuery {
        kind: visit.field("kind").map(str::to_owned),
        priority: visit
            .field("priority")
            .map(str::parse)
            .transpose()
            .map_err(|error: job_queue::UnknownPriority| Refusal::Invalid(error.to_string()))?,
        running: visit.field("state").map(|state| state == "running"),
        error: visit.field("error").map(str::to_owned),
        before: visit.field("before").and_then(|id| id.parse().ok()),
    };
    let (priorities, pauses, workers, jobs) = visit
        .read(async |connection| {
            Ok((
                browse::priorities(connection).await?,
                operate::pauses(connection).await?,
                operate::workers(connection).await?,
                browse::newest(connection, &query).await?,
            ))
        })
        .await?;
    let may = visit.may(Right::Operate);
    let mut sections = vec![
        Section::Table(priorities_table(&visit, &priorities)),
        Section::Table(workers_table(&workers)),
        Section::Table(pauses_table(&pauses, may)),
    ];
    if may {
        sections.push(Section::Form(pause_form()));
    }
    sections.push(Section::Form(filter_form(&visit)));
    sections.push(Section::Table(jobs_table(&visit, &jobs)));
    Ok(visit.page("Jobs", sections))
}

fn priorities_table(visit: &Visit, rows: &[Value]) -> Table {
    let queue = &visit.console.state.queue;
    let cells = |row: &Value| {
        let number = row.get("priority").and_then(Value::as_i64).unwrap_or_default();
        let priority = i16::try_from(number).ok().and_then(Priority::of);
        let name = priority.map_or_else(String::new, |priority| priority.to_string());
        let capacity = priority.map_or(0, |priority| queue.capacity(priority));
        let waiting = row.get("waiting").and_then(Value::as_i64).unwrap_or_default();
        let shown = match waiting {
            10_001.. => "10,000+".to_owned(),
            waiting => waiting.to_string(),
        };
        vec![
            Cell::Link(format!("/jobs?priority={name}"), name),
            Cell::Number(shown),
            Cell::of(row, "oldest_s"),
            Cell::of(row, "running"),
            Cell::number(capacity),
        ]
    };
    Table {
        caption: "Priorities".into(),
        head: vec!["Priority", "Waiting", "Oldest due, s", "Running", "Capacity"],
        rows: rows
            .iter()
            .map(|row| Row {
                cells: cells(row),
                ..Row::default()
            })
            .collect(),
        ..Table::default()
    }
}

fn workers_table(workers: &[Value]) -> Table {
    let members = [
        "pod",
        "pool",
        "filter",
        "slots",
        "running",
        "heartbeat_age_s",
        "version",
    ];
    let row = |worker: &Value| {
        let mut cells = Cell::row(worker, &members);
        let age = worker.get("heartbeat_age_s").and_then(Value::as_f64);
        if let (Some(cell), Some(age)) = (cells.get_mut(5), age.filter(|age| *age > 15.0)) {
            *cell = Cell::Bad(format!("{age:.1} – lost?"));
        }
        Row {
            cells,
            ..Row::default()
        }
    };
    Table {
        caption: "Workers".into(),
        head: vec![
            "Pod",
            "Pool",
            "Priorities",
            "Slots",
            "Running",
            "Heartbeat, s ago",
            "Version",
        ],
        rows: workers.iter().map(row).collect(),
        empty: "No worker runs: jobs wait until one starts (order-food worker).",
        ..Table::default()
    }
}

fn pauses_table(pauses: &[Value], may: bool) -> Table {
    let row = |pause: &Value| {
        let scope = pause.get("scope").and_then(Value::as_str).unwrap_or_default();
        let resume = Action {
            path: "/jobs/resume".into(),
            label: "Resume".into(),
            about: scope.into(),
            fields: vec![("scope", scope.into())],
        };
        Row {
            cells: Cell::row(pause, &["scope", "paused_by", "reason", "paused_at"]),
            actions: may.then_some(resume).into_iter().collect(),
            ..Row::default()
        }
    };
    Table {
        caption: "Paused".into(),
        head: vec!["Scope", "By", "Reason", "Since"],
        rows: pauses.iter().map(row).collect(),
        empty: "Nothing is paused.",
        ..Table::default()
    }
}

fn pause_form() -> Form {
    let scope = Field {
        hint: "* (everything), priority:LOW or kind:order.webhook",
        ..Field::text("scope", "Scope", "").required()
    };
    Form {
        heading: "Pause".into(),
        path: "/jobs/pause".into(),
        fields: vec![scope, Field::text("reason", "Reason", "").required()],
        submit: "Pause".into(),
        ..Form::default()
    }
}

fn filter_form(visit: &Visit) -> Form {
    let value = |name| visit.field(name).unwrap_or_default();
    let mut priorities = vec![""];
    let names = Priority::ALL.map(|priority| priority.to_string());
    priorities.extend(names.iter().map(String::as_str));
    Form {
        heading: "Filter".into(),
        path: "/jobs".into(),
        get: true,
        fields: vec![
            Field::text("kind", "Kind", value("kind")),
            Field::choice("priority", "Priority", value("priority"), &priorities),
            Field::choice("state", "State", value("state"), &["", "queued", "running"]),
            Field::text("error", "Error contains", value("error")),
        ],
        submit: "Show".into(),
    }
}

fn jobs_table(visit: &Visit, found: &browse::Newest) -> Table {
    let row = |job: &Value| {
        let id = job.get("id").map(Value::to_string).unwrap_or_default();
        let mut cells = vec![Cell::Link(format!("/jobs/{id}"), id)];
        cells.extend(Cell::row(
            job,
            &["kind", "priority", "state", "attempt", "run_at", "last_error"],
        ));
        for (index, names) in [(2, &PRIORITIES[..]), (3, &STATES[..])] {
            if let Some(cell) = cells.get_mut(index)
                && let Cell::Number(number) = &*cell
                && let Some(name) = number.parse().ok().and_then(|number: usize| names.get(number))
            {
                *cell = Cell::Text((*name).to_owned());
            }
        }
        Row {
            cells,
            ..Row::default()
        }
    };
    Table {
        caption: "Jobs that wait or run, newest first".into(),
        head: vec!["Id", "Kind", "Priority", "State", "Attempt", "Due", "Last error"],
        rows: found.rows.iter().map(row).collect(),
        empty: "None among those that were looked at.",
        next: found
            .older_than
            .map(|id| with_field(visit, "/jobs", "before", &id.to_string())),
        ..Table::default()
    }
}

const PRIORITIES: [&str; 5] = ["CRITICAL", "HIGH", "DEFAULT", "LOW", "BULK"];
const STATES: [&str; 2] = ["queued", "running"];

/// The address of the same page with one field set.
pub(super) fn with_field(visit: &Visit, path: &str, name: &str, value: &str) -> String {
    let kept = visit
        .fields
        .iter()
        .filter(|(field, _)| field != name && field != "done");
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(kept)
        .append_pair(name, value)
        .finish();
    format!("{path}?{query}")
}

/// GET /jobs/{id}.
pub(super) async fn show(visit: Visit) -> Result<HttpResponse, Refusal> {
    let id = visit.number("id")?;
    let job = visit
        .read(async |connection| operate::show(connection, id).await)
        .await?
        .ok_or(Refusal::Missing)?;
    let mut sections = details(&job);
    if visit.may(Right::Operate) {
        let press = |path: &str, label: &str| Form {
            path: format!("/jobs/{id}/{path}"),
            submit: label.into(),
            ..Form::default()
        };
        if job.get("state") == Some(&json!(0)) {
            sections.push(Section::Form(press("run", "Run now")));
        }
        sections.push(Section::Form(press("cancel", "Cancel")));
    }
    Ok(visit.page(format!("Job {id}"), sections))
}

/// The facts of a job or a dead letter, its attempts and its payload.
pub(super) fn details(job: &Value) -> Vec<Section> {
    let hidden = ["payload", "attempts", "id"];
    let rows = job.as_object().into_iter().flatten();
    let facts = rows
        .filter(|(name, value)| !hidden.contains(&name.as_str()) && !value.is_null())
        .map(
            |(name, _)| match (name.as_str(), job.get(name).and_then(Value::as_u64)) {
                ("priority", Some(number)) => (name.clone(), named(&PRIORITIES, number)),
                ("state", Some(number)) => (name.clone(), named(&STATES, number)),
                _ => (name.replace('_', " "), Cell::of(job, name)),
            },
        )
        .collect();
    let attempts = job.get("attempts").and_then(Value::as_array);
    let attempts = Table {
        caption: "Failed attempts".into(),
        head: vec!["Attempt", "At", "Worker", "Error"],
        rows: attempts
            .into_iter()
            .flatten()
            .map(|attempt| Row {
                cells: Cell::row(attempt, &["attempt", "at", "worker", "error"]),
                ..Row::default()
            })
            .collect(),
        empty: "None.",
        ..Table::default()
    };
    let payload = mask::masked(job.get("payload").unwrap_or(&Value::Null));
    let payload = serde_json::to_string_pretty(&payload).unwrap_or_default();
    vec![
        Section::Facts(Facts {
            heading: "State".into(),
            rows: facts,
        }),
        Section::Table(attempts),
        Section::Folded("Payload".into(), payload),
    ]
}

fn named(names: &[&str], number: u64) -> Cell {
    let name = usize::try_from(number).ok().and_then(|number| names.get(number));
    Cell::Text(name.map_or_else(|| number.to_string(), |name| (*name).to_owned()))
}

/// POST /jobs/{id}/cancel.
pub(super) async fn cancel_job(visit: Visit) -> Result<HttpResponse, Refusal> {
    let id = visit.number("id")?;
    let done = visit
        .act("jobs.cancel", &format!("job {id}"), async |connection| {
            let before = operate::show(connection, id).await?.map(without_payload);
            let after = cancel(connection, CancelTarget::Id(id)).await?;
            let after = after.map(|cancelled| match cancelled {
                Cancelled::Queued(_) => json!({ "cancelled": "queued" }),
                Cancelled::Running(_) => json!({ "cancelled": "running" }),
            });
            Ok((before, after))
        })
        .await?;
    let word = if done.is_some() { "cancelled" } else { "nothing" };
    Ok(visit.back("/jobs", word))
}

/// POST /jobs/{id}/run.
pub(super) async fn run_now(visit: Visit) -> Result<HttpResponse, Refusal> {
    let id = visit.number("id")?;
    let done = visit
        .act("jobs.run_now", &format!("job {id}"), async |connection| {
            let before = operate::show(connection, id).await?.map(without_payload);
            Ok((before, operate::run_now(connection, id).await?))
        })
        .await?;
    visit.console.state.queue.wake();
    let word = if done.is_some() { "run" } else { "nothing" };
    Ok(visit.back("/jobs", word))
}

/// What is recorded of a job: payloads may hold more than the record should.
fn without_payload(mut job: Value) -> Value {
    if let Some(job) = job.as_object_mut() {
        job.remove("payload");
    }
    job
}

/// POST /jobs/pause.
pub(super) async fn pause(visit: Visit) -> Result<HttpResponse, Refusal> {
    let scope = scope(visit.field("scope"))?;
    let reason = visit
        .field("reason")
        .ok_or_else(|| Refusal::Invalid("Say why: the reason is shown to everybody who looks.".into()))?;
    let by = visit.session.as_ref().map(|session| session.key.to_string());
    let by = format!("key {}", by.unwrap_or_default());
    visit
        .act("jobs.pause", &scope, async |connection| {
            let before = operate::pause(connection, &scope, &by, reason).await?;
            Ok((
                before,
                Some(json!({ "scope": scope, "paused_by": by, "reason": reason })),
            ))
        })
        .await?;
    Ok(visit.back("/jobs", "paused"))
}

/// POST /jobs/resume.
pub(super) async fn resume(visit: Visit) -> Result<HttpResponse, Refusal> {
    let scope = scope(visit.field("scope"))?;
    let before = visit
        .act("jobs.resume", &scope, async |connection| {
            let before = operate::resume(connection, &scope).await?;
            Ok((before.clone(), before))
        })
        .await?;
    visit.console.state.queue.wake();
    let word = if before.is_some() { "resumed" } else { "nothing" };
    Ok(visit.back("/jobs", word))
}

/// A scope of a pause: everything, a priority, or a kind.
fn scope(sent: Option<&str>) -> Result<String, Refusal> {
    let unknown = || Refusal::Invalid("A scope is *, priority:NAME or kind:NAME.".into());
    let sent = sent.ok_or_else(unknown)?;
    match sent.split_once(':') {
        None if sent == "*" => Ok(sent.to_owned()),
        Some(("priority", name)) => {
            let priority: Priority = name.parse().map_err(|_| unknown())?;
            Ok(format!("priority:{priority}"))
        }
        Some(("kind", name))
            if name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) =>
        {
            Ok(sent.to_owned())
        }
        _ => Err(unknown()),
    }
}
