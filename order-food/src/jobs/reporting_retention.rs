//! `reporting.retention`: removes exported files that are too old.

use std::time::Duration;

use job_queue::{Job, JobError, Kind, Outcome, Overflow, Priority, Run};
use objects::Store;
use tracing::info;

/// Removes exported files that are too old.
pub(crate) struct ReportingRetention {
    /// `None`: exports are not configured.
    pub(crate) store: Option<Store>,
    /// `JOBS_RETENTION`
    pub(crate) retention: Duration,
}

impl Job for ReportingRetention {
    const KIND: Kind = Kind::new("reporting.retention", "export", Priority::Bulk).overflow(Overflow::Skip);

    type Payload = ();

    async fn run(&self, _: &Run, (): ()) -> Result<Outcome, JobError> {
        if let Some(store) = &self.store {
            let removed = store.remove_older(self.retention).await?;
            if removed > 0 {
                info!(removed, "exported files removed");
            }
        }
        Ok(Outcome::Done)
    }
}
