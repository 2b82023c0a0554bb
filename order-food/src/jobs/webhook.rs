//! `order.webhook`: one event to one endpoint.

use std::sync::Arc;
use std::time::Duration;

use job_queue::{Job, JobError, Kind, NewJob, Outcome, Priority, Run};
use serde_json::json;

use crate::webhooks::{Attempt, Deliverer, Delivery, EndpointId, Event};

/// A job that delivers a test event once: an operator waits for the outcome.
///
/// # Errors
/// When the event cannot be written as JSON.
pub(crate) fn test_delivery(endpoint: EndpointId) -> Result<NewJob, serde_json::Error> {
    let event = Event::test();
    let payload = serde_json::to_string(&Delivery { endpoint, event })?;
    Ok(NewJob::raw(OrderWebhook::KIND.max_attempts(1), payload))
}

/// Delivers an event; the receiver gets the same `webhook-id` on each attempt.
pub(crate) struct OrderWebhook(pub(crate) Arc<Deliverer>);

const DELAYS: &[Duration] = &[
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 3600),
];

impl Job for OrderWebhook {
    const KIND: Kind = Kind::new("order.webhook", "notification", Priority::Critical)
        .timeout(Duration::from_secs(20))
        .delays(DELAYS);

    type Payload = Delivery;

    async fn run(&self, run: &Run, delivery: Delivery) -> Result<Outcome, JobError> {
        let attempt = self.0.deliver(&delivery, run.id()).await?;
        match attempt {
            // An operator waits for the outcome: nothing to retry, and no dead letter.
            Attempt::Failed { error, .. } | Attempt::Impossible(error) if delivery.event.is_test() => {
                let error = process::failure::line(error.as_ref());
                Ok(Outcome::DoneWith(delivery.note(json!({ "error": error }))))
            }
            Attempt::Delivered(answer) => Ok(Outcome::DoneWith(answer)),
            Attempt::NotOwed => Ok(Outcome::Done),
            Attempt::Later(pause) => Ok(Outcome::Snooze(pause)),
            Attempt::Impossible(error) => Err(JobError::Permanent(error)),
            Attempt::Failed { after, error } => Err(JobError::Retry {
                after: after.and_then(|wait| wait.beyond(Self::KIND.delay(run.attempt(), 0.0))),
                error,
            }),
        }
    }
}
