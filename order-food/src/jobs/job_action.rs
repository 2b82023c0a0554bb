//! What operators do to a job that waits or runs.

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use job_queue::{CancelTarget, Cancelled, cancel, operate};
use serde_json::{Value, json};

/// What is done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobAction {
    /// It is cancelled, or asked to end.
    Cancel,
    /// It is due now, if it waits.
    RunNow,
}

impl JobAction {
    /// The name in the record of actions.
    pub(crate) fn name(self) -> &'static str {
        match self {
            JobAction::Cancel => "jobs.cancel",
            JobAction::RunNow => "jobs.run_now",
        }
    }

    /// Does it; the states before and after for the record. Payloads may hold more than that
    /// should.
    pub(crate) async fn apply(
        self,
        connection: &mut AsyncPgConnection,
        id: i64,
    ) -> QueryResult<(Option<Value>, Option<Value>)> {
        let mut before = operate::show(connection, id).await?;
        if let Some(job) = before.as_mut().and_then(Value::as_object_mut) {
            job.remove("payload");
        }
        let after = match self {
            JobAction::Cancel => {
                let cancelled = cancel(connection, CancelTarget::Id(id)).await?;
                cancelled.map(|cancelled| match cancelled {
                    Cancelled::Queued(_) => json!({ "id": id, "cancelled": "queued" }),
                    Cancelled::Running(_) => json!({ "id": id, "cancelled": "running" }),
                })
            }
            JobAction::RunNow => operate::run_now(connection, id).await?,
        };
        Ok((before, after))
    }
}
