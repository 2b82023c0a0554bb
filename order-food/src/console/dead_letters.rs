//! Dead letters: looking, replaying and removing, one, the ticked, or all that match.

use actix_web::HttpResponse;
use job_queue::browse::{self, DeadQuery};
use job_queue::operate::{self, DeadLetters};
use job_queue::{Job, NewJob, enqueue};
use serde_json::{Value, json};
use uuid::Uuid;

use super::job::details;
use super::jobs::with_field;
use super::right::Right;
use super::view::{Action, Cell, Field, Form, Row, Section, Table, Ticked};
use super::visit::{Refusal, Visit};
use crate::jobs::operator_bulk::{Bulk, BulkAction, OperatorBulk};

/// More are counted as "10,000+".
const COUNTED: i64 = 10_000;
/// Rows that show of what kind all of them are.
const SAMPLE: usize = 5;

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
                browse::count_dead(connection, &query, OperatorBulk::KIND.name, COUNTED + 1).await?,
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
    if may && matching > 0 && !query.replayed {
        let path = with_field(&visit, "/dead/all", "before", "");
        sections.push(Section::Links(vec![(
            path,
            format!("{}…", all(&query, matching)),
        )]));
    }
    Ok(visit.page("Dead letters", sections))
}

fn running_bulk(jobs: &[Value], may: bool, without_worker: bool) -> Table {
    let row = |job: &Value| {
        let id = job.get("id").map(Value::to_string).unwrap_or_default();
        let stop = Action {
            path: format!("/jobs/{id}/cancel"),
            label: "Stop".into(),
            about: format!("job {id}"),
            fields: Vec::new(),
        };
        let bulk = job.get("payload").cloned().map(serde_json::from_value::<Bulk>);
        let what = match &bulk {
            Some(Ok(bulk)) => format!("{} {}", bulk.action.verb(), bulk.target()),
            _ => "–".to_owned(),
        };
        let number = |name| {
            job.get("progress")
                .and_then(|progress| progress.get(name)?.as_i64())
        };
        let progress = match (number("changed"), number("of")) {
            (None, _) => "waits".to_owned(),
            (Some(changed), Some(of)) if of > 0 => format!("{changed} of {of}"),
            (Some(changed), _) => changed.to_string(),
        };
        let progress = match job.get("cancel_requested_at").is_none_or(Value::is_null) {
            true => progress,
            false => format!("{progress}, is being stopped"),
        };
        Row {
            cells: vec![
                Cell::Link(format!("/jobs/{id}"), id),
                Cell::Text(what),
                Cell::Text(progress),
                Cell::of(job, "created_at"),
            ],
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

/// What all of them are called.
fn all(query: &DeadQuery, matching: i64) -> String {
    let number = match matching {
        matching if matching > COUNTED => "10,000+".to_owned(),
        matching => matching.to_string(),
    };
    let mut text = format!("All {number} dead letters");
    for (name, value) in [("kind", &query.kind), ("reason", &query.reason)] {
        if let Some(value) = value {
            text += &format!(" of the {name} {value}");
        }
    }
    if let Some(error) = &query.error {
        text += &format!(" with “{error}” in their error");
    }
    text
}

/// GET /dead/all: what would be replayed or purged, and the question whether to.
pub(super) async fn ask_all(visit: Visit) -> Result<HttpResponse, Refusal> {
    let query = DeadQuery {
        before: None,
        ..query(&visit)
    };
    let (sample, matching, workers) = visit
        .read(async |connection| {
            Ok((
                browse::dead(connection, &query).await?,
                browse::count_dead(connection, &query, OperatorBulk::KIND.name, COUNTED + 1).await?,
                operate::workers(connection).await?,
            ))
        })
        .await?;
    let members = ["id", "kind", "reason", "died_at", "last_error"];
    let row = |dead: &Value| Row {
        cells: Cell::row(dead, &members),
        ..Row::default()
    };
    let sample = Table {
        caption: "Some of them".into(),
        head: vec!["Id", "Kind", "Reason", "Died", "Last error"],
        rows: sample.rows.iter().take(SAMPLE).map(row).collect(),
        empty: "None is left.",
        ..Table::default()
    };
    let word = match matching {
        matching if matching > COUNTED => "all".to_owned(),
        matching => matching.to_string(),
    };
    let form = |what: &str, label: &str, asked: Option<Field>| {
        let filter = [
            ("kind", &query.kind),
            ("reason", &query.reason),
            ("error", &query.error),
        ];
        let mut fields: Vec<Field> = filter
            .iter()
            .filter_map(|(name, value)| Some(Field::hidden(name, value.as_ref()?)))
            .collect();
        fields.extend([Field::hidden("word", &word), Field::hidden("do", what)]);
        fields.extend(asked);
        Section::Form(Form {
            heading: label.into(),
            path: "/dead/all".into(),
            fields,
            submit: format!("{label} them in the background"),
            ..Form::default()
        })
    };
    let typed = Field {
        hint: "Purged ones are gone for good.",
        ..Field::text("typed", &format!("To confirm, type {word}"), "").required()
    };
    let mut sections = vec![Section::Table(sample)];
    if workers.is_empty() {
        let text = "No worker runs: what is begun here waits for one (order-food worker).";
        sections.push(Section::Text(text.into()));
    }
    if visit.may(Right::Operate) && matching > 0 {
        sections.push(form("replay", "Replay", None));
        sections.push(form("purge", "Purge", Some(typed)));
    }
    let back = vec![("/dead".to_owned(), "Back to the dead letters".to_owned())];
    sections.push(Section::Links(back));
    Ok(visit.page(all(&query, matching), sections))
}

/// GET /dead/{id}.
pub(super) async fn show(visit: Visit) -> Result<HttpResponse, Refusal> {
    let id = visit.number("id")?;
    let (dead, payload) = visit
        .read(async |connection| {
            Ok((
                operate::show_dead(connection, id).await?,
                browse::payload(connection, id).await?,
            ))
        })
        .await?;
    let dead = dead.ok_or(Refusal::Missing)?;
    let steps = [
        ("queued", false),
        ("running", false),
        ("done", false),
        ("dead", true),
    ];
    let mut sections = vec![Section::Steps(steps.into())];
    sections.extend(details(&visit, &dead, &payload));
    if visit.may(Right::Operate) && dead.get("replayed_as").is_none_or(Value::is_null) {
        let press = |(what, label): (&str, &str)| Action {
            path: "/dead/change".into(),
            label: label.into(),
            about: String::new(),
            fields: vec![("id", id.to_string()), ("do", what.to_owned())],
        };
        let both = [("replay", "Replay"), ("purge", "Purge")];
        sections.push(Section::Actions(both.map(press).into()));
    }
    Ok(visit.page(format!("Dead letter {id}"), sections))
}

/// POST /dead/change: replays or purges those with these ids.
pub(super) async fn change(visit: Visit) -> Result<HttpResponse, Refusal> {
    let ids = visit.ids();
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
                let changed = action.apply(connection, &chosen, None).await?;
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
    let value = |name| visit.field(name).map(str::to_owned);
    let bulk = Bulk {
        action,
        kind: value("kind"),
        reason: value("reason"),
        error: value("error"),
        number: visit.field("word").and_then(|word| word.parse().ok()),
        key_id: visit.session.as_ref().map(|session| session.key),
    };
    let public = Uuid::now_v7();
    let job = NewJob::of::<OperatorBulk>(&bulk)
        .map_err(|error| Refusal::Invalid(error.to_string()))?
        .public(public);
    let target = bulk.target();
    visit
        .act("jobs.bulk", &target, async |connection| {
            let ids = enqueue(connection, &[job]).await?;
            let after = |id| json!({ "action": action.name(), "job": id });
            Ok((None, ids.first().map(after)))
        })
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
