//! `order-food jobs enqueue`.

use std::time::{Duration, Instant};

use diesel_async::SimpleAsyncConnection;
use job_queue::{Overflow, Queue, operate};
use process::failure::{ExitCode, Failure, OrExit};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::arguments::Enqueue;
use super::{Desk, LOOK};

impl Desk {
    /// Checks kind and payload, enqueues, and waits for the end if asked to.
    pub(super) async fn enqueue(&mut self, enqueue: Enqueue) -> Result<ExitCode, Failure> {
        let Enqueue {
            kind,
            payload,
            priority,
            run_at,
            wait,
        } = enqueue;
        let payload = RawValue::from_string(payload).or_exit(ExitCode::Usage, "--payload")?;
        let mut job = self
            .registry
            .new_job(&kind, &payload)
            .or_exit(ExitCode::Usage, "enqueue")?
            .overflow(Overflow::Reject);
        if let Some(priority) = priority {
            job = job.priority(priority);
        }
        if let Some(instant) = run_at {
            job = job.at(instant);
        }
        let queue = self.queue().await?;
        let Some(job) = queue.admit(job).or_exit(ExitCode::Pending, "enqueue")? else {
            return Ok(ExitCode::Pending);
        };
        let id = self
            .recorded("jobs.enqueue", &format!("kind:{kind}"), async |connection| {
                let ids = job_queue::enqueue(connection, &[job]).await?;
                Ok((None, ids.first().map(|id| json!({ "id": id, "kind": kind }))))
            })
            .await?;
        let Some(enqueued) = id else {
            return Err(Failure::new(
                ExitCode::Pending,
                "such a job waits or runs already",
            ));
        };
        // Workers look each second anyway.
        let _ = self.connection.batch_execute("NOTIFY jobs_queued").await;
        let id = enqueued.get("id").and_then(Value::as_i64).unwrap_or_default();
        match wait {
            None => self.output.object(enqueued),
            Some(wait) => self.wait_for(id, wait).await,
        }
    }

    /// The queue with its depths as they are now.
    async fn queue(&mut self) -> Result<Queue, Failure> {
        let queue = Queue::new(self.settings.jobs.capacities(), &prometheus::Registry::new())
            .or_exit(ExitCode::Unexpected, "enqueue")?;
        queue
            .sample_on(&mut self.connection)
            .await
            .or_exit(ExitCode::Unexpected, "enqueue")?;
        Ok(queue)
    }

    async fn wait_for(&mut self, id: i64, wait: Duration) -> Result<ExitCode, Failure> {
        let started = Instant::now();
        loop {
            let living = operate::show(&mut self.connection, id)
                .await
                .or_exit(ExitCode::Unexpected, "enqueue --wait")?;
            let Some(living) = living else { break };
            if started.elapsed() >= wait {
                let priority = living.get("priority");
                self.output
                    .object(json!({ "id": id, "state": "pending", "priority": priority }))?;
                return Ok(ExitCode::Pending);
            }
            tokio::time::sleep(LOOK).await;
        }
        let dead = operate::show_dead(&mut self.connection, id)
            .await
            .or_exit(ExitCode::Unexpected, "enqueue --wait")?;
        match dead {
            None => self.output.object(json!({ "id": id, "state": "done" })),
            Some(dead) => {
                let of = |member: &str| dead.get(member).and_then(Value::as_str).unwrap_or_default();
                self.output
                    .object(json!({ "id": id, "state": of("reason"), "error": of("last_error") }))?;
                Ok(ExitCode::Unexpected)
            }
        }
    }
}
