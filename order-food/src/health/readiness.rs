use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::snapshot::{Current, SnapshotError, Unusable};

/// What is known about being ready, from what the refresher met last.
#[derive(Debug)]
pub(crate) struct Readiness {
    current: Current,
    grace: Duration,
    draining: AtomicBool,
    trouble: Mutex<Option<Trouble>>,
}

#[derive(Clone, Debug)]
enum Trouble {
    Schema {
        found: i32,
        needed: i32,
    },
    /// The database cannot be asked.
    Database {
        since: Instant,
    },
    /// It answers, but with nothing that can be used: other replicas would fare no better.
    Data,
}

impl Readiness {
    /// Not ready until a snapshot with data is there; without the database for longer than `grace`, not ready again.
    pub(crate) fn new(current: Current, grace: Duration) -> Readiness {
        Readiness {
            current,
            grace,
            draining: AtomicBool::new(false),
            trouble: Mutex::new(None),
        }
    }

    /// From now on not ready: the process is about to stop.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the process is about to stop.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Notes what reading the data led to. The grace counts from when the attempt `began`: one that hangs ends late.
    pub(crate) fn observed(&self, outcome: &Result<(), SnapshotError>, began: Instant) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        *trouble = match (outcome, trouble.take()) {
            (Ok(()), _) => None,
            (Err(SnapshotError::Unusable(Unusable::SchemaTooOld { found, needed })), _) => {
                Some(Trouble::Schema {
                    found: *found,
                    needed: *needed,
                })
            }
            (Err(SnapshotError::Database(error)), before) if error.is_unreachable() => match before {
                Some(Trouble::Database { since }) => Some(Trouble::Database { since }),
                _ => Some(Trouble::Database { since: began }),
            },
            (Err(_), _) => Some(Trouble::Data),
        };
    }

    /// Whether the last attempt to read the data failed.
    pub(crate) fn in_trouble(&self) -> bool {
        self.trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }

    /// Whether the database answered when it was last asked.
    pub(crate) fn database_answers(&self) -> bool {
        match *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(Trouble::Database { .. }) => false,
            Some(Trouble::Schema { .. } | Trouble::Data) => true,
            None => self.current.any().is_some(),
        }
    }

    /// Why no requests should be sent here; `None` when they may.
    pub(crate) fn reason(&self) -> Option<String> {
        if self.is_draining() {
            return Some("draining: the process is stopping".into());
        }
        let trouble = self
            .trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let started = self.current.any().is_some();
        match trouble {
            Some(Trouble::Schema { found, needed }) => Some(format!(
                "the schema is too old: version {found}, this build needs {needed}"
            )),
            Some(Trouble::Database { since }) if !started || since.elapsed() >= self.grace => {
                Some("the database cannot be reached".into())
            }
            Some(Trouble::Data) if !started => Some("the shop's data cannot be read".into()),
            None if !started => Some("starting: the data have not been read yet".into()),
            _ if self.current.get().is_none() => Some("no data version is active yet".into()),
            _ => None,
        }
    }
}
