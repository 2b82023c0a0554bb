//! A job that is to be enqueued.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::job::Job;
use crate::kind::{Kind, Overflow};
use crate::priority::Priority;

/// A job that is to be enqueued: the values of its kind, unless they are changed here.
#[derive(Clone, Debug)]
pub struct NewJob {
    pub(crate) kind: &'static str,
    pub(crate) priority: Priority,
    pub(crate) overflow: Overflow,
    pub(crate) payload: String,
    pub(crate) timeout_ms: i32,
    pub(crate) max_attempts: Option<i16>,
    pub(crate) run_at: Option<DateTime<Utc>>,
    pub(crate) delay_ms: i64,
    pub(crate) unique_key: Option<String>,
    pub(crate) trace_ctx: Option<String>,
    pub(crate) api_key_id: Option<Uuid>,
    pub(crate) public_id: Option<Uuid>,
    pub(crate) min_build: i32,
}

impl NewJob {
    /// A job of the kind `J`.
    ///
    /// # Errors
    /// When the payload cannot be written as JSON.
    pub fn of<J: Job>(payload: &J::Payload) -> Result<NewJob, serde_json::Error> {
        Ok(NewJob::raw(J::KIND, serde_json::to_string(payload)?))
    }

    /// A job of a kind whose payload is JSON text already.
    #[must_use]
    pub fn raw(kind: Kind, payload: String) -> NewJob {
        NewJob {
            kind: kind.name,
            priority: kind.priority,
            overflow: kind.overflow,
            payload,
            timeout_ms: milliseconds(kind.timeout).try_into().unwrap_or(i32::MAX),
            max_attempts: kind
                .max_attempts
                .map(|attempts| attempts.max(1).try_into().unwrap_or(i16::MAX)),
            run_at: None,
            delay_ms: 0,
            unique_key: None,
            trace_ctx: None,
            api_key_id: None,
            public_id: None,
            min_build: 0,
        }
    }

    /// Another priority than the kind's.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> NewJob {
        self.priority = priority;
        self
    }

    /// Another policy for a full queue than the kind's.
    #[must_use]
    pub fn overflow(mut self, overflow: Overflow) -> NewJob {
        self.overflow = overflow;
        self
    }

    /// Not before this much time has passed on the database's clock, at most a hundred years.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> NewJob {
        self.delay_ms = milliseconds(delay);
        self
    }

    /// Not before this instant of the database's clock; one before 1970 counts as 1970.
    #[must_use]
    pub fn at(mut self, instant: DateTime<Utc>) -> NewJob {
        self.run_at = Some(instant.max(DateTime::UNIX_EPOCH));
        self
    }

    /// Left out while a job of the same kind with this key waits or runs. Never in the transaction
    /// of an order: transactions with equal keys wait for each other.
    #[must_use]
    pub fn unique(mut self, key: impl Into<String>) -> NewJob {
        self.unique_key = Some(key.into());
        self
    }

    /// The API key whose request enqueues it.
    #[must_use]
    pub fn owner(mut self, api_key_id: Uuid) -> NewJob {
        self.api_key_id = Some(api_key_id);
        self
    }

    /// The id that clients see (a new UUID version 7); the result is kept under it.
    #[must_use]
    pub fn public(mut self, public_id: Uuid) -> NewJob {
        self.public_id = Some(public_id);
        self
    }

    /// W3C traceparent of the request that enqueues it.
    #[must_use]
    pub fn trace(mut self, traceparent: Option<String>) -> NewJob {
        self.trace_ctx = traceparent;
        self
    }

    /// The oldest [build](crate::BUILD) that understands its payload; default 0.
    #[must_use]
    pub fn min_build(mut self, build: i32) -> NewJob {
        self.min_build = build;
        self
    }

    /// The name of its kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }
}

/// Milliseconds of a delay, at most a hundred years: the database's times end somewhere.
pub(crate) fn milliseconds(delay: Duration) -> i64 {
    const HUNDRED_YEARS: i64 = 36_525 * 86_400_000;
    i64::try_from(delay.as_millis()).map_or(HUNDRED_YEARS, |delay| delay.min(HUNDRED_YEARS))
}
