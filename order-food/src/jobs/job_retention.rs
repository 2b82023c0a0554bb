//! `maintenance.job_retention`: removes results, replayed dead letters and operators' actions
//! beyond their retention.

use std::time::Duration;

use database::pool::Pool;
use diesel::QueryResult;
use diesel::sql_types::{BigInt, Double};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use job_queue::{Job, JobError, Kind, Outcome, Overflow, Priority, Run, operate};
use tracing::info;

use crate::pieces;

/// Removes rows in pieces of 5,000. Dead letters that were not replayed stay.
pub(super) struct JobRetention {
    pub(super) pool: Pool,
    /// Of results and replayed dead letters.
    pub(super) retention: Duration,
    /// Of operators' actions.
    pub(super) audit_retention: Duration,
}

/// Time between two runs.
pub(super) const EVERY: Duration = Duration::from_secs(600);
const PIECE: i64 = 5_000;

const REMOVE_ACTIONS: &str = "
    DELETE FROM operator_actions WHERE id = ANY (ARRAY(
        SELECT id FROM operator_actions WHERE at < now() - $1 * interval '1 second' ORDER BY at LIMIT $2))";

impl Job for JobRetention {
    const KIND: Kind = Kind::new("maintenance.job_retention", "maintenance", Priority::Bulk)
        .timeout(Duration::from_secs(300))
        .overflow(Overflow::Skip);
    type Payload = ();

    async fn run(&self, run: &Run, (): ()) -> Result<Outcome, JobError> {
        let removed = pieces::remove_all(|| async {
            run.check()?;
            let mut connection = self.pool.get().await?;
            let jobs = operate::remove_old(&mut connection, self.retention.as_secs_f64()).await?;
            let actions = remove_actions(&mut connection, self.audit_retention).await?;
            connection.release();
            Ok::<_, JobError>(jobs + actions)
        });
        let removed = removed.await?;
        if removed > 0 {
            info!(removed, "rows beyond their retention removed");
        }
        Ok(Outcome::Done)
    }
}

async fn remove_actions(connection: &mut AsyncPgConnection, retention: Duration) -> QueryResult<usize> {
    diesel::sql_query(REMOVE_ACTIONS)
        .bind::<Double, _>(retention.as_secs_f64())
        .bind::<BigInt, _>(PIECE)
        .execute(connection)
        .await
}
