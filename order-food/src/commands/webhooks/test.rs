//! `order-food webhooks test`: the whole way, through the queue, a worker and the network.

use std::time::Duration;

use job_queue::{CancelTarget, cancel, enqueue, find_public};
use process::failure::{ExitCode, Failure, OrExit};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::change::{existing, target};
use super::connection::Operator;
use crate::jobs::test_delivery;
use crate::settings::Settings;
use crate::webhooks::EndpointId;

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
    let job = test_delivery(id)
        .or_exit(ExitCode::Unexpected, "JSON")?
        .public(public);
    let mut operator = Operator::connect(settings).await?;
    operator
        .change("webhooks.test", async |connection, record| {
            existing(connection, id).await?;
            enqueue(connection, &[job]).await?;
            record.target = target(id);
            Ok(())
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
                return Err(not_delivered(&job.last_error.unwrap_or(job.state)));
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
        return Err(not_delivered(error));
    }
    let field = |name| result.get(name).and_then(Value::as_u64).unwrap_or_default();
    let (status, took_ms) = (field("status"), field("ms"));
    Ok(match as_json {
        true => json!({ "delivered": true, "status": status, "ms": took_ms }).to_string(),
        false => format!("delivered: HTTP {status} after {took_ms} ms"),
    })
}

fn not_delivered(error: &str) -> Failure {
    Failure::new(ExitCode::Unexpected, format!("not delivered: {error}"))
}
