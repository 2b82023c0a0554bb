//! The handler of a kind.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::kind::Kind;
use crate::run::Run;

/// The handler of one kind of job; holds what the work needs (pools, clients, settings).
///
/// An attempt may be made again after it has done its work: its worker may be lost before the
/// completion is stored. So the work is idempotent.
pub trait Job: Send + Sync + 'static {
    /// What is fixed about the kind.
    const KIND: Kind;

    /// What each job carries, as JSON. A payload that does not parse is a dead letter at once.
    type Payload: Serialize + DeserializeOwned + Send + 'static;

    /// One attempt. No transaction of the queue is open meanwhile.
    ///
    /// The future is dropped at the time limit, at the end of a drain, and when the worker could
    /// not reach the database for 20 s; so it never blocks its thread.
    ///
    /// # Errors
    /// [`JobError`]; a panic counts as [`JobError::Retry`].
    fn run(
        &self,
        run: &Run,
        payload: Self::Payload,
    ) -> impl Future<Output = Result<Outcome, JobError>> + Send;
}

/// The end of an attempt that did not fail.
#[derive(Debug, Default)]
pub enum Outcome {
    /// Done.
    #[default]
    Done,
    /// Done, with a result: kept in `job_result` if the job has a public id, otherwise dropped.
    DoneWith(serde_json::Value),
    /// Not now: runs again after the delay, and this attempt does not count.
    Snooze(Duration),
}

/// The end of an attempt that failed.
#[derive(Debug)]
pub enum JobError {
    /// Worth another attempt, while some are left.
    Retry {
        /// Delay in place of the kind's own, e.g. from `Retry-After`; not varied.
        after: Option<Duration>,
        /// Stored with the job: no secrets, no bodies.
        error: anyhow::Error,
    },
    /// No attempt can succeed: a dead letter at once.
    Permanent(anyhow::Error),
    /// Ended because [`Run::cancelled`] said so: a dead letter with the reason `cancelled`.
    Cancelled,
}

impl JobError {
    /// No attempt can succeed.
    pub fn permanent(error: impl Into<anyhow::Error>) -> JobError {
        JobError::Permanent(error.into())
    }

    /// Worth another attempt after `after`.
    pub fn retry_after(after: Duration, error: impl Into<anyhow::Error>) -> JobError {
        JobError::Retry {
            after: Some(after),
            error: error.into(),
        }
    }
}

/// Worth another attempt, after the kind's own delay.
impl<E: Into<anyhow::Error>> From<E> for JobError {
    fn from(error: E) -> JobError {
        JobError::Retry {
            after: None,
            error: error.into(),
        }
    }
}
