//! Webhook endpoints: their state, and what operators do to them.

use actix_web::HttpResponse;
use database::channels::DATASET_PUBLISHED;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use job_queue::{Job, NewJob, browse, enqueue};
use serde_json::{Value, json};
use uuid::Uuid;

use super::loads;
use super::right::Right;
use super::view::{Action, Cell, Facts, Row, Section, Table};
use super::visit::{Refusal, Visit};
use crate::jobs::OrderWebhook;
use crate::webhooks::endpoints::{self, Endpoint, EndpointId};
use crate::webhooks::{Delivery, Event, WebhookSecret};

/// GET /webhooks.
pub(super) async fn list(visit: Visit) -> Result<HttpResponse, Refusal> {
    let endpoints = visit.read(endpoints::list).await?;
    let may = visit.may(Right::Operate);
    let table = Table {
        caption: "Endpoints".into(),
        head: vec![
            "URL",
            "Events",
            "State",
            "Last delivered",
            "Last error",
            "Since",
            "Id",
        ],
        rows: endpoints.iter().map(|endpoint| row(endpoint, may)).collect(),
        empty: "No endpoint: order-food webhooks add URL makes one.",
        ..Table::default()
    };
    Ok(visit.page("Webhooks", vec![Section::Table(table)]))
}

/// GET /webhooks/{id}: the endpoint, what it was sent last, and what waits for it.
pub(super) async fn show(visit: Visit) -> Result<HttpResponse, Refusal> {
    let id = id(&visit)?;
    let about = json!({ "endpoint": id });
    let kind = OrderWebhook::KIND.name;
    let (endpoint, delivered, others) = visit
        .read(async |connection| {
            Ok((
                endpoints::find(connection, id).await?,
                browse::results(connection, kind, &about).await?,
                browse::about(connection, kind, &about).await?,
            ))
        })
        .await?;
    let endpoint = endpoint.ok_or(Refusal::Missing)?;
    let facts = Facts {
        heading: "Endpoint".into(),
        rows: vec![
            ("url".into(), Cell::Text(endpoint.url.clone())),
            ("events".into(), Cell::Text(endpoint.events.join(", "))),
            ("state".into(), condition(&endpoint)),
            ("last delivered".into(), Cell::time(endpoint.delivered_at)),
            ("added".into(), Cell::Time(endpoint.created_at)),
            ("next probe".into(), Cell::time(endpoint.probe_at)),
        ],
    };
    let done = Table {
        caption: "Last deliveries: tests, and one a minute of all others".into(),
        head: vec!["At", "Event", "Outcome", "Job"],
        rows: delivered.iter().map(delivered_row).collect(),
        empty: "None within the retention of results.",
        ..Table::default()
    };
    let not_done = Table {
        caption: "Not delivered yet, and dead letters".into(),
        head: vec!["Job", "Event", "State", "Attempts", "Next, or died", "Last error"],
        rows: others.iter().map(other_row).collect(),
        empty: "None among the last jobs and dead letters.",
        ..Table::default()
    };
    let mut sections = vec![Section::Facts(facts)];
    if visit.may(Right::Operate) {
        sections.push(Section::Actions(actions(&endpoint)));
    }
    sections.extend([Section::Table(done), Section::Table(not_done)]);
    Ok(visit.page("Webhook endpoint", sections))
}

fn delivered_row(row: &Value) -> Row {
    let result = row.get("result").unwrap_or(&Value::Null);
    let text = |name| result.get(name).and_then(Value::as_str).unwrap_or("–").to_owned();
    let outcome = match (result.get("status"), result.get("error").and_then(Value::as_str)) {
        (_, Some(error)) => Cell::Bad(error.to_owned()),
        (Some(status), None) => {
            let ms = result.get("ms").map(Value::to_string).unwrap_or_default();
            Cell::Text(format!("HTTP {status} in {ms} ms"))
        }
        (None, None) => Cell::Text("–".into()),
    };
    Row {
        cells: vec![
            Cell::of(row, "finished_at"),
            Cell::Text(text("event")),
            outcome,
            Cell::of(row, "job_id"),
        ],
        ..Row::default()
    }
}

fn other_row(row: &Value) -> Row {
    let id = row.get("id").map(Value::to_string).unwrap_or_default();
    let is_dead = row.get("died_at").is_some();
    let event = row
        .get("payload")
        .and_then(|payload| payload.get("event"))
        .and_then(Value::as_str);
    let state = match row.get("reason").and_then(Value::as_str) {
        Some(reason) => Cell::Bad(format!("dead ({reason})")),
        None if row.get("state") == Some(&json!(1)) => Cell::Text("running".into()),
        None => Cell::Text("waits".into()),
    };
    Row {
        cells: vec![
            Cell::Link(format!("/{}/{id}", if is_dead { "dead" } else { "jobs" }), id),
            Cell::Text(event.unwrap_or("–").to_owned()),
            state,
            Cell::of(row, "attempt"),
            Cell::of(row, if is_dead { "died_at" } else { "run_at" }),
            Cell::of(row, "last_error"),
        ],
        ..Row::default()
    }
}

fn condition(endpoint: &Endpoint) -> Cell {
    match (&endpoint.disabled_reason, endpoint.failures) {
        (Some(reason), _) => Cell::Bad(format!("off ({reason})")),
        (None, 0) => Cell::Text("active".into()),
        (None, failures) => Cell::Bad(format!("failing, {failures} times")),
    }
}

fn actions(endpoint: &Endpoint) -> Vec<Action> {
    let switch = match endpoint.disabled_at {
        Some(_) => ("enable", "Enable"),
        None => ("disable", "Disable"),
    };
    let action = |(path, label): (&str, &str)| Action {
        path: format!("/webhooks/{}/{path}", endpoint.id),
        label: label.into(),
        about: endpoint.url.clone(),
        fields: Vec::new(),
    };
    [("test", "Send a test"), ("rotate", "New secret"), switch]
        .map(action)
        .into()
}

fn row(endpoint: &Endpoint, may: bool) -> Row {
    Row {
        cells: vec![
            Cell::Link(format!("/webhooks/{}", endpoint.id), endpoint.url.clone()),
            Cell::Text(endpoint.events.join(", ")),
            condition(endpoint),
            Cell::time(endpoint.delivered_at),
            Cell::Text(endpoint.last_error.clone().unwrap_or_else(|| "–".into())),
            Cell::time(endpoint.failing_since.or(endpoint.disabled_at)),
            Cell::Code(endpoint.id.to_string()),
        ],
        actions: match may {
            true => actions(endpoint),
            false => Vec::new(),
        },
        ..Row::default()
    }
}

/// POST /webhooks/{id}/test: queues one delivery of a test event.
pub(super) async fn test(visit: Visit) -> Result<HttpResponse, Refusal> {
    let id = id(&visit)?;
    let delivery = Delivery {
        endpoint: id,
        event: Event::test(),
    };
    let payload = serde_json::to_string(&delivery).map_err(|error| Refusal::Invalid(error.to_string()))?;
    let job = NewJob::raw(OrderWebhook::KIND.max_attempts(1), payload).public(Uuid::now_v7());
    let done = visit
        .act(
            "webhooks.test",
            &target(id),
            async |connection| match endpoints::locked(connection, id).await? {
                None => Ok((None, None)),
                Some(_) => Ok((
                    None,
                    enqueue(connection, &[job])
                        .await?
                        .first()
                        .map(|id| json!({ "job": id })),
                )),
            },
        )
        .await?;
    visit.console.state.queue.wake();
    done.ok_or(Refusal::Missing)?;
    Ok(visit.back(&format!("/webhooks/{id}"), "tested"))
}

/// POST /webhooks/{id}/rotate: shows the new secret, this once.
pub(super) async fn rotate(visit: Visit) -> Result<HttpResponse, Refusal> {
    let id = id(&visit)?;
    let secret = WebhookSecret::generate().map_err(|error| Refusal::Database(error.to_string()))?;
    let overlap = visit.console.secret_overlap;
    let done = visit
        .act("webhooks.rotate", &target(id), async |connection| {
            if endpoints::locked(connection, id).await?.is_none() {
                return Ok((None, None));
            }
            endpoints::rotate(connection, id, &secret, overlap).await?;
            published(connection).await?;
            Ok((
                None,
                Some(json!({ "formerSecretSignsForSeconds": overlap.as_secs() })),
            ))
        })
        .await?;
    done.ok_or(Refusal::Missing)?;
    let facts = Facts {
        heading: "Shown this once: give it to the receiver".into(),
        rows: vec![
            ("endpoint".into(), Cell::Code(id.to_string())),
            ("secret".into(), Cell::Code(secret.reveal().to_string())),
            (
                "the former one signs too".into(),
                Cell::Text(format!("for {}", loads::duration(overlap.as_secs_f64()))),
            ),
        ],
    };
    let links = vec![("/webhooks".to_owned(), "Back to the endpoints".to_owned())];
    Ok(visit.page("New secret", vec![Section::Facts(facts), Section::Links(links)]))
}

/// POST /webhooks/{id}/disable.
pub(super) async fn disable(visit: Visit) -> Result<HttpResponse, Refusal> {
    switch(visit, "webhooks.disable", async |connection, id| {
        endpoints::disable(connection, id).await
    })
    .await
}

/// POST /webhooks/{id}/enable.
pub(super) async fn enable(visit: Visit) -> Result<HttpResponse, Refusal> {
    switch(visit, "webhooks.enable", async |connection, id| {
        endpoints::enable(connection, id).await
    })
    .await
}

async fn switch(
    visit: Visit,
    action: &'static str,
    change: impl AsyncFn(&mut AsyncPgConnection, EndpointId) -> diesel::QueryResult<Endpoint>,
) -> Result<HttpResponse, Refusal> {
    let id = id(&visit)?;
    let done = visit
        .act(action, &target(id), async |connection| {
            let Some(before) = endpoints::locked(connection, id).await? else {
                return Ok((None, None));
            };
            let after = change(connection, id).await?;
            published(connection).await?;
            Ok((Some(state(&before)), Some(state(&after))))
        })
        .await?;
    done.ok_or(Refusal::Missing)?;
    Ok(visit.back("/webhooks", "changed"))
}

/// API processes read the endpoints anew, as they read new data.
async fn published(connection: &mut AsyncPgConnection) -> diesel::QueryResult<()> {
    connection
        .batch_execute(&format!("NOTIFY {DATASET_PUBLISHED}"))
        .await
}

fn state(endpoint: &Endpoint) -> Value {
    json!({ "url": endpoint.url, "disabled": endpoint.disabled_reason, "failures": endpoint.failures })
}

fn id(visit: &Visit) -> Result<EndpointId, Refusal> {
    Uuid::try_parse(visit.path("id")).map_err(|_| Refusal::Missing)
}

fn target(id: EndpointId) -> String {
    format!("endpoint {id}")
}
