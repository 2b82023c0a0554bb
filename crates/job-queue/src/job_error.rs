//! The end of an attempt that failed.

use std::time::Duration;

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
    /// Ended because [`Run::cancelled`](crate::Run::cancelled) said so: a dead letter with the
    /// reason `cancelled`.
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
