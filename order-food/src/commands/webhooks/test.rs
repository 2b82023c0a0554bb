//! `order-food webhooks test`: the whole way, through the queue, a worker and the network.

use std::time::Duration;

use job_queue::{CancelTarget, Job, NewJob, cancel, enqueue, find_public};
use process::failure::{ExitCode, Failure, OrExit};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::change::existing;
use super::connection::{Change, Operator};
use crate::jobs::OrderWebhook;
use crate::settings::Settings;
use crate::webhooks::{Delivery, EndpointId, Event};

const POLL: Duration = Duration::from_millis(100);

/// Has a worker deliver a test event, and waits for the outcome.
///
/// # Errors
/// Exit code 2 when there is no such endpoint, 1 when it did not answer with 2xx or no worker took
/// the job in time.
pub(super) async fn test(
    settings: &Settings,
    id: EndpointId,
    wait: Duration,
    as_json: bool,
) -> Result<String, Failure> {
    let public = Uuid::now_v7();
    let delivery = Delivery {
        endpoint: id,
        event: Event::test(),
    };
    let payload = serde_json::to_string(&delivery).or_exit(ExitCode::Unexpected, "JSON")?;
    let job = NewJob::raw(OrderWebhook::KIND.max_attempts(1), payload).public(public);
    let mut operator = Operator::connect(settings).await?;
    operator
        .change("webhooks.test", async |connection| {
            existing(connection, id).await?;
            enqueue(connection, &[job]).await?;
            Ok(Change {
                target: format!("endpoint {id}"),
                before: None,
                after: None,
                outcome: "done",
                value: (),
            })
        })
        .await?;
    let until = Instant::now() + wait;
    loop {
        let job = find_public(&mut operator.connection, public)
            .await
            .or_exit(ExitCode::Unexpected, "read the job")?;
        match job {
            Some(job) if job.result.is_some() => return tell(&job.result.unwrap_or_default(), as_json),
            Some(job) if job.finished_at.is_some() => {
                let error = job.last_error.unwrap_or(job.state);
                return Err(Failure::new(
                    ExitCode::Unexpected,
                    format!("not delivered: {error}"),
                ));
            }
            _ if Instant::now() >= until => break,
            _ => sleep(POLL).await,
        }
    }
    cancel(&mut operator.connection, CancelTarget::Public(public))
        .await
        .or_exit(ExitCode::Unexpected, "cancel the job")?;
    let waited = wait.as_secs();
    let message =
        format!("no worker has delivered it within {waited} s: does one run (`order-food worker`)?");
    Err(Failure::new(ExitCode::Unexpected, message))
}

/// The outcome that the worker stored.
fn tell(result: &Value, as_json: bool) -> Result<String, Failure> {
    if let Some(error) = result.get("error").and_then(Value::as_str) {
        return Err(Failure::new(
            ExitCode::Unexpected,
            format!("not delivered: {error}"),
        ));
    }
    let field = |name| result.get(name).and_then(Value::as_u64).unwrap_or_default();
    let (status, took_ms) = (field("status"), field("ms"));
    Ok(match as_json {
        true => json!({ "delivered": true, "status": status, "ms": took_ms }).to_string(),
        false => format!("delivered: HTTP {status} after {took_ms} ms"),
    })
}
