//! The handler of a kind.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::job_error::JobError;
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
