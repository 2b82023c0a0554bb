//! The kinds that a process knows, their handlers, and the periodic schedules.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

use crate::job::{Job, Outcome};
use crate::job_error::JobError;
use crate::kind::Kind;
use crate::new_job::NewJob;
use crate::run::Run;

/// The kinds that a process knows. A kind that is not in it is left to other workers.
#[derive(Clone, Default)]
pub struct Registry {
    handlers: BTreeMap<&'static str, Arc<dyn Handler>>,
    schedules: Vec<Schedule>,
}

/// A job that is enqueued once per slot of `every`, whatever number of workers there is; slots
/// that were missed become one.
#[derive(Clone)]
pub struct Schedule {
    /// Unique name; the row in `job_schedule`.
    pub name: &'static str,
    /// Length of a slot, at least 1 s. Slots start at multiples of it since 1970, UTC.
    pub every: Duration,
    /// The job. Give it a [unique key](NewJob::unique) if two must not wait at the same time.
    pub job: NewJob,
}

/// A payload or a kind that cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// No handler has this name.
    #[error("there is no kind {kind:?}; known: {known}")]
    UnknownKind {
        /// The name.
        kind: String,
        /// The known names, separated by commas.
        known: String,
    },
    /// The payload is not what the kind takes.
    #[error("not a payload of {kind}")]
    Payload {
        /// The kind.
        kind: &'static str,
        /// What is wrong, with its place.
        #[source]
        problem: serde_json::Error,
    },
}

type Running<'a> = Pin<Box<dyn Future<Output = Result<Outcome, JobError>> + Send + 'a>>;

/// A [`Job`] whose payload type is hidden.
pub(crate) trait Handler: Send + Sync {
    fn kind(&self) -> Kind;
    fn parses(&self, payload: &RawValue) -> Result<(), serde_json::Error>;
    fn run<'a>(&'a self, run: &'a Run, payload: &'a RawValue) -> Running<'a>;
}

impl<J: Job> Handler for J {
    fn kind(&self) -> Kind {
        J::KIND
    }

    fn parses(&self, payload: &RawValue) -> Result<(), serde_json::Error> {
        serde_json::from_str::<J::Payload>(payload.get()).map(drop)
    }

    fn run<'a>(&'a self, run: &'a Run, payload: &'a RawValue) -> Running<'a> {
        Box::pin(async move {
            let payload = serde_json::from_str(payload.get()).map_err(|problem| {
                JobError::permanent(Unusable::Payload {
                    kind: J::KIND.name,
                    problem,
                })
            })?;
            Job::run(self, run, payload).await
        })
    }
}

impl Registry {
    /// A registry without kinds.
    #[must_use]
    pub fn new() -> Registry {
        Registry::default()
    }

    /// With one more kind, or another handler of one.
    #[must_use]
    pub fn job<J: Job>(mut self, handler: J) -> Registry {
        self.handlers.insert(J::KIND.name, Arc::new(handler));
        self
    }

    /// With one more periodic job.
    #[must_use]
    pub fn every(mut self, name: &'static str, every: Duration, job: NewJob) -> Registry {
        self.schedules.push(Schedule { name, every, job });
        self
    }

    /// The periodic jobs.
    #[must_use]
    pub fn schedules(&self) -> &[Schedule] {
        &self.schedules
    }

    /// The kinds, by name.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> + '_ {
        self.handlers.values().map(|handler| handler.kind())
    }

    /// A job of a kind that is named at run time, with its payload checked.
    ///
    /// # Errors
    /// [`Unusable`].
    pub fn new_job(&self, kind: &str, payload: &RawValue) -> Result<NewJob, Unusable> {
        let Some(handler) = self.handlers.get(kind) else {
            return Err(Unusable::UnknownKind {
                kind: kind.to_owned(),
                known: self.handlers.keys().copied().collect::<Vec<_>>().join(", "),
            });
        };
        let kind = handler.kind();
        handler.parses(payload).map_err(|problem| Unusable::Payload {
            kind: kind.name,
            problem,
        })?;
        Ok(NewJob::raw(kind, payload.get().to_owned()))
    }

    pub(crate) fn handler(&self, kind: &str) -> Option<&Arc<dyn Handler>> {
        self.handlers.get(kind)
    }
}
