//! What the commands print.

use std::fmt::Write as _;

use process::failure::{ExitCode, Failure, OrExit};
use serde_json::json;

use crate::webhooks::WebhookSecret;
use crate::webhooks::endpoints::Endpoint;

/// All endpoints, a line each.
///
/// # Errors
/// None in practice: texts and numbers can always be written as JSON.
pub(super) fn list(endpoints: &[Endpoint], as_json: bool) -> Result<String, Failure> {
    if as_json {
        let all: Vec<_> = endpoints.iter().map(value).collect();
        return serde_json::to_string_pretty(&all).or_exit(ExitCode::Unexpected, "JSON");
    }
    if endpoints.is_empty() {
        return Ok("no endpoints: `order-food webhooks add URL` makes one".into());
    }
    let mut text = format!("{:<36}  {:<16}  {:<14}  URL", "ID", "STATE", "EVENTS");
    for endpoint in endpoints {
        let events = endpoint.events.join(",");
        // Writing to a String does not fail.
        let _ = write!(
            text,
            "\n{}  {:<16}  {events:<14}  {}",
            endpoint.id,
            state(endpoint),
            endpoint.url
        );
        if let Some(error) = endpoint.last_error.as_ref().filter(|_| endpoint.failures > 0) {
            let _ = write!(text, "\n{:<36}  last error: {error}", "");
        }
    }
    Ok(text)
}

/// One endpoint.
pub(super) fn one(endpoint: &Endpoint, as_json: bool) -> String {
    match as_json {
        true => value(endpoint).to_string(),
        false => format!("endpoint {} is {}", endpoint.id, state(endpoint)),
    }
}

/// An endpoint with its new secret, which is not shown again.
pub(super) fn with_secret(endpoint: &Endpoint, secret: &WebhookSecret, as_json: bool) -> String {
    let shown = secret.reveal();
    if as_json {
        let mut value = value(endpoint);
        if let Some(fields) = value.as_object_mut() {
            fields.insert("secret".into(), shown.into());
        }
        return value.to_string();
    }
    format!(
        "id      {}\nurl     {}\nevents  {}\nsecret  {shown}\n\nThe secret is shown this once; give it to the receiver.",
        endpoint.id,
        endpoint.url,
        endpoint.events.join(",")
    )
}

fn value(endpoint: &Endpoint) -> serde_json::Value {
    let mut value = json!(endpoint);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("state".into(), state(endpoint).into());
    }
    value
}

/// `active`, `active, failing`, or `off` with the reason.
fn state(endpoint: &Endpoint) -> String {
    match (&endpoint.disabled_reason, endpoint.failures) {
        (Some(reason), _) => format!("off ({reason})"),
        (None, 0) => "active".into(),
        (None, _) => "active, failing".into(),
    }
}
