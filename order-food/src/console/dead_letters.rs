//! Dead letters: looking, replaying and removing, one, the ticked, or all that match.

use actix_web::HttpResponse;
use job_queue::browse::{self, DeadQuery};
use job_queue::operate::{self, DeadLetters};
use job_queue::{Job, NewJob, enqueue};
use serde_json::Value;
use uuid::Uuid;

use super::jobs::{details, with_field};
use super::right::Right;
use super::view::{Cell, Field, Form, Row, Section, Table, Ticked};
use super::visit::{Refusal, Visit};
use crate::jobs::operator_bulk::{Bulk, BulkAction, OperatorBulk};

/// More are counted as "10,000+".
const COUNTED: i64 = 10_000;

fn query(visit: &Visit) -> DeadQuery {
    DeadQuery {
        kind: visit.field("kind").map(str::to_owned),
        reason: visit.field("reason").map(str::to_owned),
        error: visit.field("error").map(str::to_owned),
        replayed: visit.field("replayed").is_some(),
        before: visit.field("before").and_then(|id| id.parse().ok()),
    }
}

/// GET /dead.
pub(super) async fn list(visit: Visit) -> Result<HttpResponse, Refusal> {
    let query = query(&visit);
    let (found, matching, bulk, workers) = visit
        .read(async |connection| {
            Ok((
                browse::dead(connection, &query).await?,
                browse::count_dead(connection, query.kind.as_deref(), COUNTED + 1).await?,
                browse::of_kind(connection, OperatorBulk::KIND).await?,
                operate::workers(connection).await?,
            ))
        })
        .await?;
    let may = visit.may(Right::Operate);
    let value = |name| visit.field(name).unwrap_or_default();
    let filter = Form {
        heading: "Filter".into(),
        path: "/dead".into(),
        get: true,
        fields: vec![
            Field::text("kind", "Kind", value("kind")),
            Field::choice(
                "reason",
                "Reason",
                value("reason"),
                &["", "exhausted", "permanent", "poison", "cancelled"],
            ),
            Field::text("error", "Error contains", value("error")),
        ],
        submit: "Show".into(),
    };
    let row = |dead: &Value| {
        let id = dead.get("id").map(Value::to_string).unwrap_or_default();
        let mut cells = vec![Cell::Link(format!("/dead/{id}"), id.clone())];
        cells.extend(Cell::row(
            dead,
            &[
                "kind",
                "reason",
                "attempt",
                "died_at",
                "last_error",
                "replayed_as",
            ],
        ));
        Row {
            tick: dead.get("replayed_as").is_none_or(Value::is_null).then_some(id),
            cells,
            ..Row::default()
        }
    };
    let ticked = Ticked {
        path: "/dead/change",
        buttons: vec![("replay", "Replay the ticked"), ("purge", "Purge the ticked")],
    };
    let table = Table {
        caption: "Dead letters, newest first".into(),
        head: vec![
            "Id",
            "Kind",
            "Reason",
            "Attempts",
            "Died",
            "Last error",
            "Replayed as",
        ],
        rows: found.rows.iter().map(row).collect(),
        empty: "None among those that were looked at.",
        ticked: may.then_some(ticked),
        next: found
            .older_than
            .map(|id| with_field(&visit, "/dead", "before", &id.to_string())),
    };
    let mut sections = vec![Section::Form(filter), Section::Table(table)];
    if !bulk.is_empty() {
        sections.push(Section::Table(running_bulk(&bulk, may, workers.is_empty())));
    }
    if may && matching > 0 {
        sections.push(Section::Form(all_form(query.kind.as_deref(), matching)));
    }
    Ok(visit.page("Dead letters", sections))
}

fn running_bulk(jobs: &[Value], may: bool, without_worker: bool) -> Table {
    let row = |job: &Value| {
        let id = job.get("id").map(Value::to_string).unwrap_or_default();
        let stop = super::view::Action {
            path: format!("/jobs/{id}/cancel"),
            label: "Stop".into(),
            about: format!("job {id}"),
            fields: Vec::new(),
        };
        let mut cells = vec![Cell::Link(format!("/jobs/{id}"), id)];
        cells.extend(Cell::row(job, &["payload", "progress", "created_at"]));
        Row {
            cells,
            actions: may.then_some(stop).into_iter().collect(),
            ..Row::default()
        }
    };
    Table {
        caption: match without_worker {
            true => "In the background: no worker runs, so this waits for one".into(),
            false => "In the background".into(),
        },
        head: vec!["Job", "What", "Progress", "Begun"],
        rows: jobs.iter().map(row).collect(),
        ..Table::default()
    }
}

fn all_form(kind: Option<&str>, matching: i64) -> Form {
    let (shown, word) = match matching {
        COUNTED.. if matching > COUNTED => ("10,000+".to_owned(), "all".to_owned()),
        matching => (matching.to_string(), matching.to_string()),
    };
    let of_kind = kind.map_or_else(
        || "of every kind".to_owned(),
        |kind| format!("of the kind {kind}"),
    );
    let typed = Field {
        hint: "Asked for when they are purged: purged ones are gone for good.",
        ..Field::text("typed", &format!("To purge, type {word}"), "")
    };
    Form {
        heading: format!("All {shown} dead letters {of_kind}"),
        path: "/dead/all".into(),
        fields: vec![
            Field::hidden("kind", kind.unwrap_or_default()),
            Field::hidden("word", &word),
            Field {
                options: vec![
                    ("replay".into(), "Replay".into()),
                    ("purge".into(), "Purge".into()),
                ],
                ..Field::text("do", "What", "replay")
            },
            typed,
        ],
        submit: "Begin in the background".into(),
        ..Form::default()
    }
}

/// GET /dead/{id}.
pub(super) async fn show(visit: Visit) -> Result<HttpResponse, Refusal> {
    let id = visit.number("id")?;
    let dead = visit
        .read(async |connection| operate::show_dead(connection, id).await)
        .await?
        .ok_or(Refusal::Missing)?;
    let mut sections = details(&dead);
    if visit.may(Right::Operate) && dead.get("replayed_as").is_none_or(Value::is_null) {
        for (what, label) in [("replay", "Replay"), ("purge", "Purge")] {
            sections.push(Section::Form(Form {
                path: "/dead/change".into(),
                fields: vec![Field::hidden("id", &id.to_string()), Field::hidden("do", what)],
                submit: label.into(),
                ..Form::default()
            }));
        }
    }
    Ok(visit.page(format!("Dead letter {id}"), sections))
}

/// POST /dead/change: replays or purges those with these ids.
pub(super) async fn change(visit: Visit) -> Result<HttpResponse, Refusal> {
    let ids: Vec<i64> = visit
        .fields
        .iter()
        .filter(|(name, _)| name == "id")
        .filter_map(|(_, id)| id.parse().ok())
        .collect();
    if ids.is_empty() {
        return Err(Refusal::Invalid("No dead letter was chosen.".into()));
    }
    let action = action(&visit)?;
    let target = ids.iter().map(i64::to_string).collect::<Vec<_>>().join(" ");
    let chosen = DeadLetters::Ids(ids);
    let done = visit
        .act(
            action.name(),
            &format!("dead letters {target}"),
            async |connection| {
                let changed = action.apply(connection, &chosen).await?;
                Ok((None, (!changed.is_empty()).then_some(Value::Array(changed))))
            },
        )
        .await?;
    visit.console.state.queue.wake();
    Ok(visit.back(
        "/dead",
        match (done, action) {
            (None, _) => "nothing",
            (_, BulkAction::Replay) => "replayed",
            (_, BulkAction::Purge) => "purged",
        },
    ))
}

/// POST /dead/all: begins a job that replays or purges all of a kind, or of every kind.
pub(super) async fn change_all(visit: Visit) -> Result<HttpResponse, Refusal> {
    let action = action(&visit)?;
    if action == BulkAction::Purge && visit.field("typed") != visit.field("word") {
        let word = visit.field("word").unwrap_or("all");
        return Err(Refusal::Invalid(format!(
            "Nothing was purged: type {word} to confirm."
        )));
    }
    let bulk = Bulk {
        action,
        kind: visit.field("kind").map(str::to_owned),
        key_id: visit.session.as_ref().map(|session| session.key),
    };
    let public = Uuid::now_v7();
    let job = NewJob::of::<OperatorBulk>(&bulk)
        .map_err(|error| Refusal::Invalid(error.to_string()))?
        .public(public);
    let target = bulk
        .kind
        .as_deref()
        .map_or("all".to_owned(), |kind| format!("kind:{kind}"));
    visit
        .act(
            "jobs.bulk",
            &format!("dead letters {target}"),
            async |connection| {
                let ids = enqueue(connection, &[job]).await?;
                Ok((None, ids.first().map(|id| serde_json::json!({ "job": id }))))
            },
        )
        .await?;
    visit.console.state.queue.wake();
    Ok(visit.back("/dead", "bulk"))
}

fn action(visit: &Visit) -> Result<BulkAction, Refusal> {
    match visit.field("do") {
        Some("replay") => Ok(BulkAction::Replay),
        Some("purge") => Ok(BulkAction::Purge),
        _ => Err(Refusal::Invalid("Choose to replay or to purge.".into())),
    }
}
