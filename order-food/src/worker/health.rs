//! The health of a worker, in the form of MicroProfile Health.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use job_queue::WorkerStatus;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// What probes ask. Cheap to clone.
#[derive(Clone)]
pub(super) struct Health {
    status: WorkerStatus,
    /// The database and its schema are there.
    is_working: Arc<AtomicBool>,
    /// Cancelled: nothing more is claimed.
    shutdown: CancellationToken,
}

/// One of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    Scheduler,
    Database,
    Schema,
}

impl Health {
    /// The health of a worker that waits for the database and its schema.
    pub(super) fn new(status: WorkerStatus, shutdown: CancellationToken) -> Health {
        Health {
            status,
            is_working: Arc::default(),
            shutdown,
        }
    }

    pub(super) fn begin(&self) {
        self.is_working.store(true, Ordering::Relaxed);
    }

    fn is_working(&self) -> bool {
        self.is_working.load(Ordering::Relaxed)
    }

    /// Whether the worker is to get no more work.
    pub(super) fn is_draining(&self) -> bool {
        self.shutdown.is_cancelled()
    }

    /// These checks, and whether all are up.
    pub(super) fn report(&self, checks: &[Check]) -> (bool, Value) {
        let reports: Vec<(bool, Value)> = checks.iter().map(|check| self.check(*check)).collect();
        let up = reports.iter().all(|(up, _)| *up);
        let checks: Vec<Value> = reports.into_iter().map(|(_, report)| report).collect();
        (up, json!({ "status": word(up), "checks": checks }))
    }

    fn check(&self, check: Check) -> (bool, Value) {
        let (name, up, data) = match check {
            Check::Scheduler => ("scheduler", self.turns(), self.scheduler()),
            Check::Database => ("database", self.status.reaches_database(), self.database()),
            Check::Schema => (
                "schema",
                self.is_working(),
                json!({ "needed": database::version::NEWEST }),
            ),
        };
        (up, json!({ "name": name, "status": word(up), "data": data }))
    }

    /// A scheduler that is switched off turns, too: paused is not ill.
    fn turns(&self) -> bool {
        !self.is_working() || self.status.turns()
    }

    fn scheduler(&self) -> Value {
        let jobs: Vec<Value> = self
            .status
            .running()
            .into_iter()
            .map(|job| {
                json!({
                    "id": job.id, "kind": job.kind, "priority": job.priority.name(),
                    "attempt": job.attempt, "seconds": job.running_for.as_secs_f64(),
                })
            })
            .collect();
        json!({
            "enabled": self.status.enabled(),
            "priorities": self.status.priorities(),
            "paused": self.status.paused(),
            "leader": self.status.leader(),
            "draining": self.is_draining(),
            "running": jobs.len(),
            "jobs": jobs,
            "lastClaim": self.status.last_claim().map(|at| DateTime::<Utc>::from(at).to_rfc3339()),
        })
    }

    fn database(&self) -> Value {
        let age = self.status.heartbeat_age();
        json!({ "heartbeatAgeSeconds": age.map(|age| age.as_secs_f64()) })
    }
}

fn word(up: bool) -> &'static str {
    match up {
        true => "UP",
        false => "DOWN",
    }
}
