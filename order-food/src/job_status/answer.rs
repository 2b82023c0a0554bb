//! The answer about a job.

use chrono::{DateTime, Utc};
use job_queue::PublicJob;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

/// A background job.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Job)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobAnswer {
    /// UUID version 7.
    id: Uuid,
    /// What it does.
    #[schema(example = "reporting.export")]
    kind: String,
    state: State,
    /// Whether it was asked to end, and has not ended yet.
    cancel_requested: bool,
    /// Attempts that have begun, the running one included.
    #[schema(minimum = 0)]
    attempts: i16,
    /// When it was enqueued.
    created_at: DateTime<Utc>,
    /// When the running attempt began, or the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    started_at: Option<DateTime<Utc>>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    finished_at: Option<DateTime<Utc>>,
    /// How far it is; an export says `rows` and `percent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false, nullable = false)]
    progress: Option<Value>,
    /// What it brought, once it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    result: Option<JobResult>,
}

/// The state of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// It waits for a worker, or for its next attempt.
    Queued,
    /// A worker is at it.
    Running,
    /// It is done.
    Done,
    /// It was given up.
    Failed,
    /// It was cancelled.
    Cancelled,
}

/// What a job brought.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobResult {
    /// Where it is to be fetched.
    #[schema(example = "/api/job/019a2f3c-5d80-7b1e-9c44-2f608f0d3a11/result")]
    href: String,
    /// The name of the file.
    name: String,
    /// Lines of the file, a line of names not counted.
    #[schema(minimum = 0)]
    rows: u64,
    /// Bytes of the file.
    #[schema(minimum = 0)]
    bytes: u64,
}

impl State {
    /// As the engine names it.
    pub(super) fn of(name: &str) -> State {
        match name {
            "queued" => State::Queued,
            "running" => State::Running,
            "done" => State::Done,
            "cancelled" => State::Cancelled,
            _ => State::Failed,
        }
    }
}

impl JobAnswer {
    /// The answer about the job with this id.
    pub(crate) fn of(id: Uuid, job: PublicJob) -> JobAnswer {
        let result = job.result.as_ref().and_then(|result| {
            Some(JobResult {
                href: format!("/api/job/{id}/result"),
                name: result.get("object")?.as_str()?.to_owned(),
                rows: result.get("rows")?.as_u64()?,
                bytes: result.get("bytes")?.as_u64()?,
            })
        });
        let state = State::of(&job.state);
        JobAnswer {
            id,
            kind: job.kind,
            state,
            cancel_requested: job.cancel_requested,
            attempts: job.attempt,
            created_at: job.created_at,
            started_at: job.started_at,
            finished_at: job.finished_at,
            progress: job.progress,
            result,
        }
    }

    /// The example of a state.
    pub(crate) fn example(state: &str) -> Value {
        let id = "019a2f3c-5d80-7b1e-9c44-2f608f0d3a11";
        let mut example = json!({
            "id": id, "kind": "reporting.export", "state": state, "cancelRequested": false,
            "attempts": u8::from(state != "queued"), "createdAt": "2026-02-01T09:30:00.120316Z",
        });
        if let (Some(example), "done") = (example.as_object_mut(), state) {
            let name = format!("orders-2026-01-01-2026-01-31-{id}.csv.gz");
            let href = format!("/api/job/{id}/result");
            example.insert("finishedAt".into(), "2026-02-01T09:30:02.707119Z".into());
            example.insert("progress".into(), json!({"rows": 31_402, "percent": 100}));
            example.insert(
                "result".into(),
                json!({"href": href, "name": name, "rows": 31_402, "bytes": 1_290_377}),
            );
        }
        example
    }
}
