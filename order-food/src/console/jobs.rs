//! The page of queues, workers, pauses and jobs.

use actix_web::HttpResponse;
use job_queue::browse::{self, JobQuery};
use job_queue::{Priority, operate};
use serde_json::Value;

use super::cell::{Cell, id_of, priority_of};
use super::pauses::{pause_form, pauses_table};
use super::right::Right;
use super::view::{Field, Form, Section, Table, Ticked};
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
        let priority = priority_of(row);
        let name = priority.map_or("", Priority::name);
        let capacity = priority.map_or(0, |priority| queue.capacity(priority));
        let waiting = row.get("waiting").and_then(Value::as_i64).unwrap_or_default();
        [
            Cell::Link(format!("/jobs?priority={name}"), name.to_owned()),
            match waiting {
                10_001.. => Cell::Number("10,000+".to_owned()),
                waiting => Cell::number(waiting),
            },
            Cell::of(row, "oldest_s"),
            Cell::of(row, "running"),
            match waiting.unsigned_abs() >= capacity {
                true => Cell::Bad(format!("{capacity}, full")),
                false => Cell::number(capacity),
            },
            Cell::number(priority.map_or(0, |priority| queue.overflowed(priority))),
        ]
    };
    let head = [
        "Priority",
        "Waiting",
        "Oldest due, s",
        "Running",
        "Capacity",
        "Met it full, this replica",
    ];
    Table::new("Priorities", &head, rows.iter().map(cells), "")
}

fn workers_table(workers: &[Value]) -> Table {
    let columns = [
        ("Pod", "pod"),
        ("Pool", "pool"),
        ("Priorities", "filter"),
        ("Slots", "slots"),
        ("Running", "running"),
        ("Heartbeat, s ago", "heartbeat_age_s"),
        ("Version", "version"),
    ];
    let empty = "No worker runs: jobs wait until one starts (order-food worker).";
    Table::of("Workers", &columns, workers, empty).with(workers, |worker, row| {
        let age = worker.get("heartbeat_age_s").and_then(Value::as_f64);
        if let Some(age) = age.filter(|age| *age > 15.0) {
            row.set(5, Cell::Bad(format!("{age:.1} – lost?")));
        }
    })
}

fn filter_form(visit: &Visit) -> Form {
    let value = |name| visit.field(name).unwrap_or_default();
    let priorities: Vec<&str> = [""]
        .into_iter()
        .chain(Priority::ALL.map(Priority::name))
        .collect();
    let fields = vec![
        Field::text("kind", "Kind", value("kind")),
        Field::choice("priority", "Priority", value("priority"), &priorities),
        Field::choice("state", "State", value("state"), &["", "queued", "running"]),
        Field::text("error", "Error contains", value("error")),
    ];
    Form::filter("Filter", "/jobs", fields)
}

fn jobs_table(visit: &Visit, found: &browse::Newest, may: bool) -> Table {
    let columns = [
        ("Id", "id"),
        ("Kind", "kind"),
        ("Priority", "priority"),
        ("State", "state"),
        ("Attempt", "attempt"),
        ("Due", "run_at"),
        ("Last error", "last_error"),
    ];
    let ticked = Ticked {
        path: "/jobs/change",
        buttons: vec![("run", "Run the ticked now"), ("cancel", "Cancel the ticked")],
    };
    let table = Table::of(
        "Jobs that wait or run, newest first",
        &columns,
        &found.rows,
        "None among those that were looked at.",
    );
    Table {
        ticked: may.then_some(ticked),
        next: visit.older("/jobs", found.older_than),
        ..table.with(&found.rows, |job, row| {
            row.set(0, Cell::link("/jobs", id_of(job)));
            row.tick = Some(id_of(job));
        })
    }
}
