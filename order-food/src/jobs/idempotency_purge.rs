//! `maintenance.idempotency_purge`: removes expired Idempotency-Keys.

use std::time::Duration;

use database::pool::Pool;
use job_queue::{Job, JobError, Kind, Outcome, Overflow, Priority, Run};
use tracing::info;

use crate::orders::expiry::remove_piece;
use crate::pieces;

/// Removes expired keys, at most 5,000 a statement. Again is harmless: expired ones alone go.
pub(super) struct IdempotencyPurge {
    pub(super) pool: Pool,
}

/// Time between two purges, in seconds.
pub(super) const EVERY: Duration = Duration::from_secs(60);

impl Job for IdempotencyPurge {
    const KIND: Kind = Kind::new("maintenance.idempotency_purge", "maintenance", Priority::Bulk)
        .timeout(Duration::from_secs(300))
        .overflow(Overflow::Skip);
    type Payload = ();

    async fn run(&self, run: &Run, (): ()) -> Result<Outcome, JobError> {
        let removed = pieces::remove_all(|| async {
            run.check()?;
            let mut connection = self.pool.get().await?;
            let removed = remove_piece(&mut connection).await?;
            connection.release();
            Ok::<_, JobError>(removed)
        });
        let removed = removed.await?;
        if removed > 0 {
            info!(removed, "expired idempotency keys removed");
        }
        Ok(Outcome::Done)
    }
}
