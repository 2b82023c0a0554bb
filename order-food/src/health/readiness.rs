//! Readiness, from the health of the refresh and the state of the shutdown.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::reference_data::{RefreshHealth, SnapshotHandle};

/// Decides whether requests should be sent here: not before the first snapshot with data, and not
/// while `draining`; never takes a database connection.
#[derive(Clone, Debug)]
pub(crate) struct Readiness {
    pub(crate) snapshots: SnapshotHandle,
    /// How long the database may be unreachable.
    pub(crate) grace: Duration,
    pub(crate) refresh: watch::Receiver<RefreshHealth>,
    pub(crate) draining: CancellationToken,
    /// Age of unread tables from which on no requests should be sent here; `None`: of any age.
    pub(crate) max_stale: Option<Duration>,
}

impl Readiness {
    /// Whether the last attempt to read the data succeeded.
    pub(crate) fn is_up_to_date(&self) -> bool {
        *self.refresh.borrow() == RefreshHealth::UpToDate
    }

    /// Whether the database answered the last attempt.
    pub(crate) fn database_answers(&self) -> bool {
        !matches!(
            *self.refresh.borrow(),
            RefreshHealth::Starting | RefreshHealth::Unreachable { .. }
        )
    }

    /// Why no requests should be sent here; `None` when they may.
    pub(crate) fn reason(&self) -> Option<String> {
        if self.draining.is_cancelled() {
            return Some("draining: the process is stopping".into());
        }
        let started = self.snapshots.any().is_some();
        match *self.refresh.borrow() {
            RefreshHealth::SchemaTooOld { found, needed } => Some(format!(
                "the schema is too old: version {found}, this build needs {needed}"
            )),
            RefreshHealth::Unreachable { since } if !started || since.elapsed() >= self.grace => {
                Some("the database cannot be reached".into())
            }
            RefreshHealth::Stale { since } if self.max_stale.is_some_and(|most| since.elapsed() >= most) => {
                Some("the shop's data are stale: a table cannot be read".into())
            }
            RefreshHealth::Unusable if !started => Some("the shop's data cannot be read".into()),
            RefreshHealth::Starting => Some("starting: the data have not been read yet".into()),
            _ if self.snapshots.get().is_none() => Some("no data version is active yet".into()),
            _ => None,
        }
    }
}
