//! Adding, rotating, disabling and enabling.

use std::time::Duration;

use diesel_async::AsyncPgConnection;
use process::failure::{ExitCode, Failure, OrExit};
use serde_json::{Value, json};

use super::connection::{Change, ChangeError, Operator};
use super::show;
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
        .change("webhooks.add", async |connection| {
            let endpoint = endpoints::add(connection, url.as_str(), &events, &secret).await?;
            Ok(changed(None, endpoint))
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
        .change("webhooks.rotate", async |connection| {
            let endpoint = existing(connection, id).await?;
            endpoints::rotate(connection, id, &secret, overlap).await?;
            Ok(Change {
                after: Some(json!({ "formerSecretSignsForSeconds": overlap.as_secs() })),
                before: None,
                target: target(id),
                outcome: "done",
                value: endpoint,
            })
        })
        .await?;
    Ok(show::with_secret(&endpoint, &secret, as_json))
}

/// Switches the endpoint off.
///
/// # Errors
/// Exit code 2 when there is no such endpoint.
pub(super) async fn disable(settings: &Settings, id: EndpointId, as_json: bool) -> Result<String, Failure> {
    let mut operator = Operator::connect(settings).await?;
    let endpoint = operator
        .change("webhooks.disable", async |connection| {
            let before = existing(connection, id).await?;
            let after = endpoints::disable(connection, id).await?;
            Ok(changed(Some(before), after))
        })
        .await?;
    Ok(show::one(&endpoint, as_json))
}

/// Switches the endpoint on.
///
/// # Errors
/// Exit code 2 when there is no such endpoint.
pub(super) async fn enable(settings: &Settings, id: EndpointId, as_json: bool) -> Result<String, Failure> {
    let mut operator = Operator::connect(settings).await?;
    let endpoint = operator
        .change("webhooks.enable", async |connection| {
            let before = existing(connection, id).await?;
            let after = endpoints::enable(connection, id).await?;
            Ok(changed(Some(before), after))
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
    found.ok_or_else(|| ChangeError::Refused(no_such_endpoint(id)))
}

/// Exit code 2.
pub(super) fn no_such_endpoint(id: EndpointId) -> Failure {
    let message = format!("there is no endpoint {id}: see `order-food webhooks list`");
    Failure::new(ExitCode::Usage, message)
}

fn changed(before: Option<Endpoint>, after: Endpoint) -> Change<Endpoint> {
    let was = before.as_ref().map(state);
    let is = state(&after);
    Change {
        target: target(after.id),
        outcome: if was.as_ref() == Some(&is) {
            "unchanged"
        } else {
            "done"
        },
        before: was,
        after: Some(is),
        value: after,
    }
}

fn target(id: EndpointId) -> String {
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
