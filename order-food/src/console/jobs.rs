//! The page of queues, workers, pauses and jobs.

use actix_web::HttpResponse;
use job_queue::browse::{self, JobQuery};
use job_queue::{Priority, operate};
use serde_json::Value;

use super::pauses::{pause_form, pauses_table};
use super::right::Right;
use super::view::{Cell, Field, Form, Row, Section, Table, Ticked};
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
    let queue = &visit.console.state.queue;
    let (priorities, pauses, workers, jobs) = visit
        .read(async |connection| {
            Ok((
                browse::priorities(connection, queue.depths()).await?,
                browse::pauses(connection).await?,
                operate::workers(connection).await?,
                browse::newest(connection, &query).await?,
            ))
        })
        .await?;
    let may = visit.may(Right::Operate);
    let mut sections = vec![
        Section::Table(priorities_table(&visit, &priorities)),
        Section::Table(visit.console.flow.table()),
        Section::Table(workers_table(&workers)),
        Section::Table(pauses_table(&pauses, may)),
    ];
    if may {
        sections.push(Section::Form(pause_form()));
    }
    sections.push(Section::Form(filter_form(&visit)));
    sections.push(Section::Table(jobs_table(&visit, &jobs, may)));
    Ok(visit.page("Jobs", sections))
}

/// The priorities with what waits and runs.
pub(super) fn priorities_table(visit: &Visit, rows: &[Value]) -> Table {
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
            match waiting.unsigned_abs() >= capacity {
                true => Cell::Bad(format!("{capacity}, full")),
                false => Cell::number(capacity),
            },
            Cell::number(priority.map_or(0, |priority| queue.overflowed(priority))),
        ]
    };
    Table {
        caption: "Priorities".into(),
        head: vec![
            "Priority",
            "Waiting",
            "Oldest due, s",
            "Running",
            "Capacity",
            "Met it full, this replica",
        ],
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

fn jobs_table(visit: &Visit, found: &browse::Newest, may: bool) -> Table {
    let row = |job: &Value| {
        let id = job.get("id").map(Value::to_string).unwrap_or_default();
        let mut cells = vec![Cell::Link(format!("/jobs/{id}"), id.clone())];
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
            tick: Some(id),
            cells,
            ..Row::default()
        }
    };
    let ticked = Ticked {
        path: "/jobs/change",
        buttons: vec![("run", "Run the ticked now"), ("cancel", "Cancel the ticked")],
    };
    Table {
        caption: "Jobs that wait or run, newest first".into(),
        head: vec!["Id", "Kind", "Priority", "State", "Attempt", "Due", "Last error"],
        rows: found.rows.iter().map(row).collect(),
        empty: "None among those that were looked at.",
        ticked: may.then_some(ticked),
        next: found
            .older_than
            .map(|id| with_field(visit, "/jobs", "before", &id.to_string())),
    }
}

pub(super) const PRIORITIES: [&str; 5] = ["CRITICAL", "HIGH", "DEFAULT", "LOW", "BULK"];
pub(super) const STATES: [&str; 2] = ["queued", "running"];

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
