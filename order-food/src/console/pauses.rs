//! What is paused, and pausing.

use actix_web::HttpResponse;
use job_queue::{Job, Kind, Priority, operate};
use serde_json::{Value, json};

use super::cell::text_of;
use super::view::{Action, Field, Form, Table};
use super::visit::{Refusal, Visit};
use crate::jobs::OrderWebhook;
use crate::jobs::operator_bulk::OperatorBulk;
use crate::jobs::reporting_export::ReportingExport;

/// Kinds that are suggested; any other can be typed.
const KINDS: [Kind; 3] = [OrderWebhook::KIND, ReportingExport::KIND, OperatorBulk::KIND];

/// What is paused, with the jobs of each that are still running.
pub(super) fn pauses_table(pauses: &[Value], may: bool) -> Table {
    let columns = [
        ("Scope", "scope"),
        ("By", "paused_by"),
        ("Reason", "reason"),
        ("Since", "paused_at"),
        ("Still running", "running"),
    ];
    Table::of("Paused", &columns, pauses, "Nothing is paused.").with(pauses, |pause, row| {
        let scope = text_of(pause, "scope");
        let resume = Action::new("/jobs/resume", "Resume", scope, vec![("scope", scope.into())]);
        row.actions.extend(may.then_some(resume));
    })
}

pub(super) fn pause_form() -> Form {
    let priorities = Priority::ALL.map(|priority| format!("priority:{priority}"));
    let kinds = KINDS.map(|kind| format!("kind:{}", kind.name));
    let scope = Field {
        hint: "* is everything; or a priority, or a kind.",
        suggested: ["*".to_owned()]
            .into_iter()
            .chain(priorities)
            .chain(kinds)
            .collect(),
        ..Field::text("scope", "Scope", "").required()
    };
    Form {
        heading: "Pause".into(),
        path: "/jobs/pause".into(),
        fields: vec![scope, Field::text("reason", "Reason", "").required()],
        submit: "Pause".into(),
        ..Form::default()
    }
}

/// POST /jobs/pause.
pub(super) async fn pause(visit: Visit) -> Result<HttpResponse, Refusal> {
    let scope = scope(visit.field("scope"))?;
    let reason = visit
        .field("reason")
        .ok_or_else(|| Refusal::invalid("Say why: the reason is shown to everybody who looks."))?;
    let by = visit.session.as_ref().map(|session| session.key.to_string());
    let by = format!("key {}", by.unwrap_or_default());
    visit
        .act("jobs.pause", &scope, async |connection| {
            let before = operate::pause(connection, &scope, &by, reason).await?;
            Ok((
                before,
                Some(json!({ "scope": scope, "paused_by": by, "reason": reason })),
            ))
        })
        .await?;
    Ok(visit.back("/jobs", "paused"))
}

/// POST /jobs/resume.
pub(super) async fn resume(visit: Visit) -> Result<HttpResponse, Refusal> {
    let scope = scope(visit.field("scope"))?;
    let done = visit
        .act("jobs.resume", &scope, async |connection| {
            let before = operate::resume(connection, &scope).await?;
            let after = before
                .as_ref()
                .map(|_| json!({ "scope": scope, "paused_at": null }));
            Ok((before, after))
        })
        .await?;
    visit.console.state.queue.wake();
    let word = if done.is_some() { "resumed" } else { "nothing" };
    Ok(visit.back("/jobs", word))
}

/// A scope of a pause: everything, a priority, or a kind.
fn scope(sent: Option<&str>) -> Result<String, Refusal> {
    let unknown = || Refusal::invalid("A scope is *, priority:NAME or kind:NAME.");
    let sent = sent.ok_or_else(unknown)?;
    match sent.split_once(':') {
        None if sent == "*" => Ok(sent.to_owned()),
        Some(("priority", name)) => {
            let priority: Priority = name.parse().map_err(|_| unknown())?;
            Ok(format!("priority:{priority}"))
        }
        Some(("kind", name))
            if !name.is_empty()
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) =>
        {
            Ok(sent.to_owned())
        }
        _ => Err(unknown()),
    }
}
