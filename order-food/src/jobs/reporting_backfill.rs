//! `reporting.backfill`: counts a range of days again, a job per day.

use database::pool::Pool;
use job_queue::{Job, JobError, Kind, Outcome, Overflow, Priority, Run};

use super::reporting_refresh;
use crate::reports::{Days, count};

/// Counts a range of days again, a job per day.
pub(crate) struct ReportingBackfill {
    pub(crate) pool: Pool,
}

/// A hundred years.
const MOST_DAYS: i64 = 36_525;

impl Job for ReportingBackfill {
    const KIND: Kind = Kind::new("reporting.backfill", "refresh", Priority::Bulk).overflow(Overflow::Reject);

    type Payload = Days;

    async fn run(&self, _: &Run, days: Days) -> Result<Outcome, JobError> {
        if days.count() > MOST_DAYS {
            let problem = anyhow::anyhow!("at most {MOST_DAYS} days, not {}", days.count());
            return Err(JobError::Permanent(problem));
        }
        let all: Vec<_> = days
            .from()
            .iter_days()
            .take_while(|day| *day <= days.to())
            .collect();
        let jobs = reporting_refresh::days(&all)?;
        let mut connection = self.pool.get().await?;
        // Marked first: a day that is due is counted, whatever becomes of its job.
        count::mark(&mut connection, days).await?;
        job_queue::enqueue(&mut connection, &jobs).await?;
        connection.release();
        Ok(Outcome::Done)
    }
}
