//! Adding, rotating, disabling and enabling.

use std::time::Duration;

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use process::failure::{ExitCode, Failure, OrExit};
use serde_json::{Value, json};

use super::connection::{ChangeError, Operator};
use super::show;
use crate::operator_actions::OperatorAction;
use crate::settings::Settings;
use crate::webhooks::endpoints::{self, Endpoint, EndpointId};
use crate::webhooks::{EndpointUrl, EventType, WebhookSecret, refused_address};

/// More endpoints would make each order write more jobs than it has lines.
const MOST_ENDPOINTS: usize = 50;

/// Adds an endpoint.
///
/// # Errors
/// Exit code 2 for an address that is not allowed.
pub(super) async fn add(
    settings: &Settings,
    url: &str,
    events: &[EventType],
    as_json: bool,
) -> Result<String, Failure> {
    let allow_private = settings.webhooks.allow_private;
    let url = EndpointUrl::parse(url, allow_private).or_exit(ExitCode::Usage, "URL")?;
    if let Some(refusal) = refused_address(&url, allow_private).await {
        return Err(Failure::new(ExitCode::Usage, "URL").context_from(refusal));
    }
    let mut events = events.to_vec();
    events.sort_unstable();
    events.dedup();
    let secret = new_secret()?;
    let mut operator = Operator::connect(settings).await?;
    if operator.endpoints().await?.len() >= MOST_ENDPOINTS {
        let message = format!("there are {MOST_ENDPOINTS} endpoints already, which is the most");
        return Err(Failure::new(ExitCode::Usage, message));
    }
    let endpoint = operator
        .change("webhooks.add", async |connection, record| {
            let endpoint = endpoints::add(connection, url.as_str(), &events, &secret).await?;
            changed(record, None, &endpoint);
            Ok(endpoint)
        })
        .await?;
    Ok(show::with_secret(&endpoint, &secret, as_json))
}

/// Gives the endpoint a new secret.
///
/// # Errors
/// Exit code 2 when there is no such endpoint.
pub(super) async fn rotate(
    settings: &Settings,
    id: EndpointId,
    overlap: Duration,
    as_json: bool,
) -> Result<String, Failure> {
    let secret = new_secret()?;
    let mut operator = Operator::connect(settings).await?;
    let endpoint = operator
        .change("webhooks.rotate", async |connection, record| {
            let endpoint = existing(connection, id).await?;
            endpoints::rotate(connection, id, &secret, overlap).await?;
            record.target = target(id);
            record.after = Some(json!({ "formerSecretSignsForSeconds": overlap.as_secs() }));
            Ok(endpoint)
        })
        .await?;
    Ok(show::with_secret(&endpoint, &secret, as_json))
}

/// Switches the endpoint off or on.
///
/// # Errors
/// Exit code 2 when there is no such endpoint.
pub(super) async fn switch(
    settings: &Settings,
    id: EndpointId,
    (action, switch): (
        &'static str,
        impl AsyncFnOnce(&mut AsyncPgConnection, EndpointId) -> QueryResult<Endpoint>,
    ),
    as_json: bool,
) -> Result<String, Failure> {
    let mut operator = Operator::connect(settings).await?;
    let endpoint = operator
        .change(action, async |connection, record| {
            let before = existing(connection, id).await?;
            let after = switch(connection, id).await?;
            changed(record, Some(&before), &after);
            Ok(after)
        })
        .await?;
    Ok(show::one(&endpoint, as_json))
}

fn new_secret() -> Result<WebhookSecret, Failure> {
    WebhookSecret::generate().or_exit(ExitCode::Unexpected, "make a secret")
}

/// The endpoint, locked.
pub(super) async fn existing(
    connection: &mut AsyncPgConnection,
    id: EndpointId,
) -> Result<Endpoint, ChangeError> {
    let found = endpoints::locked(connection, id).await?;
    found.ok_or_else(|| {
        let message = format!("there is no endpoint {id}: see `order-food webhooks list`");
        ChangeError::Refused(Failure::new(ExitCode::Usage, message))
    })
}

fn changed(record: &mut OperatorAction<'_>, before: Option<&Endpoint>, after: &Endpoint) {
    record.target = target(after.id);
    record.before = before.map(state);
    record.after = Some(state(after));
    if record.before == record.after {
        record.outcome = "unchanged";
    }
}

pub(super) fn target(id: EndpointId) -> String {
    format!("endpoint {id}")
}

fn state(endpoint: &Endpoint) -> Value {
    json!({
        "url": endpoint.url,
        "events": endpoint.events,
        "disabled": endpoint.disabled_reason,
        "failures": endpoint.failures,
    })
}
