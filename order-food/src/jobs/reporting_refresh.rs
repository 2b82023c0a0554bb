//! `reporting.refresh`: counts the sales of days with news, or of one day.

use std::time::{Duration, Instant};

use chrono::NaiveDate;
use database::pool::Pool;
use job_queue::{Job, JobError, Kind, NewJob, Outcome, Overflow, Priority, Run};
use serde::{Deserialize, Serialize};

use crate::reports::count;

/// Counts the sales of days with news, or of one day.
pub(crate) struct ReportingRefresh {
    pub(crate) pool: Pool,
    /// `REPORT_TIMEZONE`
    pub(crate) time_zone: String,
}

/// One day, if it is due; without one, whatever has news.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refresh {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    day: Option<NaiveDate>,
}

/// No further day is counted here after this time: the others become jobs of their own.
const ENOUGH: Duration = Duration::from_secs(5);
/// Days that become jobs at once; more follow with the next refresh.
const MOST_DAYS: i64 = 10_000;

impl Job for ReportingRefresh {
    const KIND: Kind = Kind::new("reporting.refresh", "refresh", Priority::Default)
        .timeout(Duration::from_secs(60))
        .overflow(Overflow::Reject);

    type Payload = Option<Refresh>;

    async fn run(&self, run: &Run, payload: Option<Refresh>) -> Result<Outcome, JobError> {
        if let Some(day) = payload.unwrap_or_default().day {
            self.count(day).await?;
            return Ok(Outcome::Done);
        }
        let began = Instant::now();
        let mut connection = self.pool.get().await?;
        count::find_news(&mut connection, &self.time_zone).await?;
        let due = count::due(&mut connection, MOST_DAYS).await?;
        connection.release();
        for (position, day) in due.iter().enumerate() {
            run.check()?;
            if began.elapsed() >= ENOUGH {
                let jobs = days(due.get(position..).unwrap_or_default())?;
                let mut connection = self.pool.get().await?;
                job_queue::enqueue(&mut connection, &jobs).await?;
                connection.release();
                break;
            }
            self.count(*day).await?;
        }
        Ok(Outcome::Done)
    }
}

impl ReportingRefresh {
    async fn count(&self, day: NaiveDate) -> anyhow::Result<()> {
        let mut connection = self.pool.get().await?;
        count::count(&mut connection, day).await?;
        connection.release();
        Ok(())
    }

    /// The periodic job: one waits at most, and none beside those that people asked for.
    pub(super) fn periodic() -> Result<NewJob, serde_json::Error> {
        let job = NewJob::of::<ReportingRefresh>(&None)?;
        Ok(job.unique("news").overflow(Overflow::Skip))
    }
}

/// A job for each day, which waits behind everything else.
pub(super) fn days(days: &[NaiveDate]) -> Result<Vec<NewJob>, serde_json::Error> {
    let job = |day: &NaiveDate| {
        let job = NewJob::of::<ReportingRefresh>(&Some(Refresh { day: Some(*day) }))?;
        Ok(job.priority(Priority::Bulk).unique(day.to_string()))
    };
    days.iter().map(job).collect()
}
