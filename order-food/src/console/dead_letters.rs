//! Dead letters: looking, replaying and removing, one, the ticked, or all that match.

use actix_web::HttpResponse;
use job_queue::browse::{self, DeadQuery};
use job_queue::operate::{self, DeadLetters};
use job_queue::{Job, NewJob, enqueue};
use serde_json::{Value, json};
use uuid::Uuid;

use super::cell::{Cell, has, id_of};
use super::job::details;
use super::right::Right;
use super::view::{Action, Field, Form, Row, Section, Table, Ticked};
use super::visit::{Refusal, Visit};
use crate::jobs::operator_bulk::{Bulk, BulkAction, OperatorBulk};

/// More are counted as "10,000+".
const COUNTED: i64 = 10_000;
/// Rows that show of what kind all of them are.
const SAMPLE: usize = 5;

fn query(visit: &Visit) -> DeadQuery {
    DeadQuery {
        kind: visit.value("kind"),
        reason: visit.value("reason"),
        error: visit.value("error"),
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
    let reasons = ["", "exhausted", "permanent", "poison", "cancelled"];
    let fields = vec![
        Field::text("kind", "Kind", value("kind")),
        Field::choice("reason", "Reason", value("reason"), &reasons),
        Field::text("error", "Error contains", value("error")),
    ];
    let filter = Form::filter("Filter", "/dead", fields);
    let columns = [
        ("Id", "id"),
        ("Kind", "kind"),
        ("Reason", "reason"),
        ("Attempts", "attempt"),
        ("Died", "died_at"),
        ("Last error", "last_error"),
        ("Replayed as", "replayed_as"),
    ];
    let ticked = Ticked {
        path: "/dead/change",
        buttons: vec![("replay", "Replay the ticked"), ("purge", "Purge the ticked")],
    };
    let empty = "None among those that were looked at.";
    let table = Table {
        ticked: may.then_some(ticked),
        next: visit.older("/dead", found.older_than),
        ..Table::of("Dead letters, newest first", &columns, &found.rows, empty).with(
            &found.rows,
            |dead, row| {
                row.set(0, Cell::link("/dead", id_of(dead)));
                row.tick = (!has(dead, "replayed_as")).then(|| id_of(dead));
            },
        )
    };
    let mut sections = vec![Section::Form(filter), Section::Table(table)];
    if !bulk.is_empty() {
        sections.push(Section::Table(running_bulk(&bulk, may, workers.is_empty())));
    }
    if may && matching > 0 && !query.replayed {
        let path = visit.with_field("/dead/all", "before", "");
        sections.push(Section::Links(vec![(
            path,
            format!("{}…", all(&query, matching)),
        )]));
    }
    Ok(visit.page("Dead letters", sections))
}

fn running_bulk(jobs: &[Value], may: bool, without_worker: bool) -> Table {
    let row = |job: &Value| {
        let id = id_of(job);
        let about = format!("job {id}");
        let stop = Action::new(format!("/jobs/{id}/cancel"), "Stop", &about, Vec::new());
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
        let progress = match has(job, "cancel_requested_at") {
            true => format!("{progress}, is being stopped"),
            false => progress,
        };
        let mut row = Row::from([
            Cell::link("/jobs", id),
            Cell::Text(what),
            Cell::Text(progress),
            Cell::of(job, "created_at"),
        ]);
        row.actions.extend(may.then_some(stop));
        row
    };
    let caption = match without_worker {
        true => "In the background: no worker runs, so this waits for one",
        false => "In the background",
    };
    Table::new(
        caption,
        &["Job", "What", "Progress", "Begun"],
        jobs.iter().map(row),
        "",
    )
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
    let columns = [
        ("Id", "id"),
        ("Kind", "kind"),
        ("Reason", "reason"),
        ("Died", "died_at"),
        ("Last error", "last_error"),
    ];
    let some = sample.rows.get(..SAMPLE).unwrap_or(&sample.rows);
    let sample = Table::of("Some of them", &columns, some, "None is left.");
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
    let id: i64 = visit.id()?;
    let (dead, payload) = visit
        .read(async |connection| {
            Ok((
                operate::show_dead(connection, id).await?,
                browse::payload(connection, id).await?,
            ))
        })
        .await?;
    let dead = dead.ok_or(Refusal::Missing)?;
    let steps = ["queued", "running", "done", "dead"].map(|step| (step, step == "dead"));
    let mut sections = vec![Section::Steps(steps.into())];
    sections.extend(details(&visit, &dead, &payload));
    if visit.may(Right::Operate) && !has(&dead, "replayed_as") {
        let press = |(what, label): (&str, &str)| {
            let fields = vec![("id", id.to_string()), ("do", what.to_owned())];
            Action::new("/dead/change", label, "", fields)
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
        return Err(Refusal::invalid("No dead letter was chosen."));
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
    let word = match done {
        None => "nothing",
        Some(_) => action.done(),
    };
    Ok(visit.back("/dead", word))
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
        kind: visit.value("kind"),
        reason: visit.value("reason"),
        error: visit.value("error"),
        number: visit.field("word").and_then(|word| word.parse().ok()),
        key_id: visit.session.as_ref().map(|session| session.key),
    };
    let job = NewJob::of::<OperatorBulk>(&bulk)
        .map_err(Refusal::invalid)?
        .public(Uuid::now_v7());
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
        _ => Err(Refusal::invalid("Choose to replay or to purge.")),
    }
}
