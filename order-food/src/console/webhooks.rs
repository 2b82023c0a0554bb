//! Webhook endpoints: their state, and what operators do to them.

use actix_web::HttpResponse;
use database::channels::DATASET_PUBLISHED;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use job_queue::{Job, browse, enqueue};
use serde_json::{Value, json};
use uuid::Uuid;

use super::cell::{Cell, has, id_of, text_of};
use super::loads;
use super::right::Right;
use super::view::{Action, Facts, Row, Section, Table};
use super::visit::{Refusal, Visit};
use crate::jobs::{OrderWebhook, test_delivery};
use crate::webhooks::WebhookSecret;
use crate::webhooks::endpoints::{self, Endpoint, EndpointId};

/// GET /webhooks.
pub(super) async fn list(visit: Visit) -> Result<HttpResponse, Refusal> {
    let endpoints = visit.read(endpoints::list).await?;
    let may = visit.may(Right::Operate);
    let table = Table::new(
        "Endpoints",
        &[
            "URL",
            "Events",
            "State",
            "Last delivered",
            "Last error",
            "Since",
            "Id",
        ],
        endpoints.iter().map(|endpoint| row(endpoint, may)),
        "No endpoint: order-food webhooks add URL makes one.",
    );
    Ok(visit.page("Webhooks", vec![Section::Table(table)]))
}

/// GET /webhooks/{id}: the endpoint, what it was sent last, and what waits for it.
pub(super) async fn show(visit: Visit) -> Result<HttpResponse, Refusal> {
    let id: EndpointId = visit.id()?;
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
    let facts = Facts::new(
        "Endpoint",
        [
            ("url", Cell::text(&endpoint.url)),
            ("events", Cell::Text(endpoint.events.join(", "))),
            ("state", condition(&endpoint)),
            ("last delivered", Cell::time(endpoint.delivered_at)),
            ("added", Cell::Time(endpoint.created_at)),
            ("next probe", Cell::time(endpoint.probe_at)),
        ],
    );
    let done = Table::new(
        "Last deliveries: tests, and one a minute of all others",
        &["At", "Event", "Outcome", "Job"],
        delivered.iter().map(delivered_row),
        "None within the retention of results.",
    );
    let not_done = Table::new(
        "Not delivered yet, and dead letters",
        &["Job", "Event", "State", "Attempts", "Next, or died", "Last error"],
        others.iter().map(other_row),
        "None among the last jobs and dead letters.",
    );
    let mut sections = vec![Section::Facts(facts)];
    if visit.may(Right::Operate) {
        sections.push(Section::Actions(actions(&endpoint)));
    }
    sections.extend([Section::Table(done), Section::Table(not_done)]);
    Ok(visit.page("Webhook endpoint", sections))
}

fn delivered_row(row: &Value) -> [Cell; 4] {
    let result = row.get("result").unwrap_or(&Value::Null);
    let outcome = match (result.get("status"), result.get("error").and_then(Value::as_str)) {
        (_, Some(error)) => Cell::Bad(error.to_owned()),
        (Some(status), None) => {
            let ms = result.get("ms").map(Value::to_string).unwrap_or_default();
            Cell::Text(format!("HTTP {status} in {ms} ms"))
        }
        (None, None) => Cell::dash(),
    };
    [
        Cell::of(row, "finished_at"),
        Cell::of(result, "event"),
        outcome,
        Cell::of(row, "job_id"),
    ]
}

fn other_row(row: &Value) -> [Cell; 6] {
    let (path, at) = match has(row, "died_at") {
        true => ("/dead", "died_at"),
        false => ("/jobs", "run_at"),
    };
    let state = match text_of(row, "reason") {
        "" if row.get("state") == Some(&json!(1)) => Cell::text("running"),
        "" => Cell::text("waits"),
        reason => Cell::Bad(format!("dead ({reason})")),
    };
    [
        Cell::link(path, id_of(row)),
        Cell::of(row.get("payload").unwrap_or(&Value::Null), "event"),
        state,
        Cell::of(row, "attempt"),
        Cell::of(row, at),
        Cell::of(row, "last_error"),
    ]
}

fn condition(endpoint: &Endpoint) -> Cell {
    match (&endpoint.disabled_reason, endpoint.failures) {
        (Some(reason), _) => Cell::Bad(format!("off ({reason})")),
        (None, 0) => Cell::text("active"),
        (None, failures) => Cell::Bad(format!("failing, {failures} times")),
    }
}

fn actions(endpoint: &Endpoint) -> Vec<Action> {
    let switch = match endpoint.disabled_at {
        Some(_) => ("enable", "Enable"),
        None => ("disable", "Disable"),
    };
    let action = |(path, label): (&str, &str)| {
        let path = format!("/webhooks/{}/{path}", endpoint.id);
        Action::new(path, label, &endpoint.url, Vec::new())
    };
    [("test", "Send a test"), ("rotate", "New secret"), switch]
        .map(action)
        .into()
}

fn row(endpoint: &Endpoint, may: bool) -> Row {
    let mut row = Row::from([
        Cell::Link(format!("/webhooks/{}", endpoint.id), endpoint.url.clone()),
        Cell::Text(endpoint.events.join(", ")),
        condition(endpoint),
        Cell::time(endpoint.delivered_at),
        Cell::text(endpoint.last_error.as_deref().unwrap_or("–")),
        Cell::time(endpoint.failing_since.or(endpoint.disabled_at)),
        Cell::Code(endpoint.id.to_string()),
    ]);
    if may {
        row.actions = actions(endpoint);
    }
    row
}

/// POST /webhooks/{id}/test: queues one delivery of a test event.
pub(super) async fn test(visit: Visit) -> Result<HttpResponse, Refusal> {
    let id: EndpointId = visit.id()?;
    let job = test_delivery(id)
        .map_err(Refusal::invalid)?
        .public(Uuid::now_v7());
    let done = visit
        .act("webhooks.test", &target(id), async |connection| {
            if endpoints::locked(connection, id).await?.is_none() {
                return Ok((None, None));
            }
            let ids = enqueue(connection, &[job]).await?;
            Ok((None, ids.first().map(|id| json!({ "job": id }))))
        })
        .await?;
    visit.console.state.queue.wake();
    done.ok_or(Refusal::Missing)?;
    Ok(visit.back(&format!("/webhooks/{id}"), "tested"))
}

/// POST /webhooks/{id}/rotate: shows the new secret, this once.
pub(super) async fn rotate(visit: Visit) -> Result<HttpResponse, Refusal> {
    let id: EndpointId = visit.id()?;
    let secret = WebhookSecret::generate().map_err(Refusal::database)?;
    let overlap = visit.console.secret_overlap;
    let done = visit
        .act("webhooks.rotate", &target(id), async |connection| {
            if endpoints::locked(connection, id).await?.is_none() {
                return Ok((None, None));
            }
            endpoints::rotate(connection, id, &secret, overlap).await?;
            published(connection).await?;
            let after = json!({ "formerSecretSignsForSeconds": overlap.as_secs() });
            Ok((None, Some(after)))
        })
        .await?;
    done.ok_or(Refusal::Missing)?;
    let signs = format!("for {}", loads::duration(overlap.as_secs_f64()));
    let facts = Facts::new(
        "Shown this once: give it to the receiver",
        [
            ("endpoint", Cell::Code(id.to_string())),
            ("secret", Cell::Code(secret.reveal().to_string())),
            ("the former one signs too", Cell::Text(signs)),
        ],
    );
    let links = vec![("/webhooks".to_owned(), "Back to the endpoints".to_owned())];
    Ok(visit.page("New secret", vec![Section::Facts(facts), Section::Links(links)]))
}

/// POST /webhooks/{id}/disable.
pub(super) async fn disable(visit: Visit) -> Result<HttpResponse, Refusal> {
    switch(visit, "webhooks.disable", endpoints::disable).await
}

/// POST /webhooks/{id}/enable.
pub(super) async fn enable(visit: Visit) -> Result<HttpResponse, Refusal> {
    switch(visit, "webhooks.enable", endpoints::enable).await
}

async fn switch(
    visit: Visit,
    action: &'static str,
    change: impl AsyncFn(&mut AsyncPgConnection, EndpointId) -> diesel::QueryResult<Endpoint>,
) -> Result<HttpResponse, Refusal> {
    let id: EndpointId = visit.id()?;
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

fn target(id: EndpointId) -> String {
    format!("endpoint {id}")
}
