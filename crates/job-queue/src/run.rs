//! The attempt that a handler works on.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tracing::warn;
use uuid::Uuid;

use crate::job_error::JobError;
use crate::metrics::Labels;
use crate::priority::Priority;

/// The attempt that a handler works on. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Run(Arc<Attempt>);

/// What the engine knows of an attempt.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) id: i64,
    pub(crate) kind: &'static str,
    pub(crate) queue: &'static str,
    pub(crate) priority: Priority,
    pub(crate) attempt: i16,
    pub(crate) most: i16,
    pub(crate) public_id: Option<Uuid>,
    pub(crate) api_key_id: Option<Uuid>,
    pub(crate) trace_ctx: Option<String>,
    pub(crate) cancel: CancellationToken,
    /// The newest progress that is not stored yet.
    pub(crate) progress: Mutex<Option<Value>>,
}

impl Run {
    pub(crate) fn new(attempt: Attempt) -> Run {
        Run(Arc::new(attempt))
    }

    /// An attempt outside of any worker, for tests of handlers; its progress goes nowhere.
    #[must_use]
    pub fn detached(kind: &'static str) -> Run {
        Run::new(Attempt {
            id: 0,
            kind,
            queue: "",
            priority: Priority::Default,
            attempt: 1,
            most: 1,
            public_id: None,
            api_key_id: None,
            trace_ctx: None,
            cancel: CancellationToken::new(),
            progress: Mutex::default(),
        })
    }

    /// The job's id.
    #[must_use]
    pub fn id(&self) -> i64 {
        self.0.id
    }

    /// The job's kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.0.kind
    }

    /// Label of the kind's queue in metrics.
    #[must_use]
    pub fn queue(&self) -> &'static str {
        self.0.queue
    }

    /// The job's priority.
    #[must_use]
    pub fn priority(&self) -> Priority {
        self.0.priority
    }

    /// The number of this attempt, from 1.
    #[must_use]
    pub fn attempt(&self) -> u16 {
        self.0.attempt.unsigned_abs()
    }

    /// Attempts in all: this is the last one if [`Run::attempt`] is not below.
    #[must_use]
    pub fn max_attempts(&self) -> u16 {
        self.0.most.unsigned_abs()
    }

    /// The id that clients see.
    #[must_use]
    pub fn public_id(&self) -> Option<Uuid> {
        self.0.public_id
    }

    /// The API key whose request enqueued the job.
    #[must_use]
    pub fn api_key_id(&self) -> Option<Uuid> {
        self.0.api_key_id
    }

    /// W3C traceparent of the request that enqueued the job.
    #[must_use]
    pub fn trace_context(&self) -> Option<&str> {
        self.0.trace_ctx.as_deref()
    }

    /// Says how far the work is, as any JSON; stored within 2 s, the newest one wins.
    pub fn progress(&self, progress: Value) {
        *self.0.progress.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress);
    }

    /// Cancelled when the job is asked to end (seen within 2 s). A handler that cleans up
    /// returns [`JobError::Cancelled`] within 5 s; then its future is dropped.
    #[must_use]
    pub fn cancelled(&self) -> &CancellationToken {
        &self.0.cancel
    }

    /// Ends the handler by `?` once the job is to be cancelled; for loops over chunks.
    ///
    /// # Errors
    /// [`JobError::Cancelled`].
    pub fn check(&self) -> Result<(), JobError> {
        match self.0.cancel.is_cancelled() {
            true => Err(JobError::Cancelled),
            false => Ok(()),
        }
    }

    pub(crate) fn labels(&self) -> Labels {
        Labels {
            kind: self.0.kind,
            queue: self.0.queue,
            priority: self.0.priority,
        }
    }

    /// Logs that the attempt failed: the job is dead for a reason, or queued again after a delay.
    pub(crate) fn log_failure(&self, dead: Option<&str>, retry_s: Option<f64>, error: &str) {
        warn!(
            job_id = self.id(),
            kind = self.kind(),
            queue = self.queue(),
            priority = self.priority().label(),
            attempt = self.attempt(),
            of = self.max_attempts(),
            dead,
            retry_s,
            error,
            "Job failed"
        );
    }

    pub(crate) fn take_progress(&self) -> Option<Value> {
        self.0
            .progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}
