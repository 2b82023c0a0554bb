//! `partitions`: makes the partitions of the time to come, and takes old ones away.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::attempts;
use crate::error::{Doing as _, Error, count};
use crate::migrator::Migrator;
use crate::partitions::{self, Make, Settings};
use crate::run_context::RunContext;

/// What `partitions` did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Partitions {
    /// Names the run.
    pub run_id: Uuid,
    /// One sentence for each change, in the order in which they were made.
    pub changes: Vec<String>,
    /// How many partitions begin in the future.
    pub ahead: usize,
    /// Orders with an id of this time or later cannot be stored.
    pub until: Option<DateTime<Utc>>,
}

/// A line for each change.
impl fmt::Display for Partitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for change in &self.changes {
            writeln!(f, "{change}")?;
        }
        let until = self.until.map(|until| until.date_naive().to_string());
        let until = until.unwrap_or_default();
        writeln!(f, "{} partitions lie ahead, until {until}", self.ahead)
    }
}

const READ: &str = "read the partitions";

impl Migrator {
    /// Makes what is missing of the partitions of `orders` and `order_items`, and takes away those
    /// that are older than the retention; a second run changes nothing.
    ///
    /// # Errors
    /// [`Error::NotPartitioned`], [`Error::Export`]; others as for `up`.
    pub async fn partitions(&self, settings: &Settings) -> Result<Partitions, Error> {
        let run = RunContext::announce(self, "partitions");
        let client = run.connect().await?;
        run.state_or_record(&client).await?;
        run.under_lock(client, async |session| {
            run.become_owner(session).await?;
            let make = Make {
                migrator: self,
                settings,
            };
            let (mut changes, _) = attempts::make(&run, session, &make).await?;
            let found = partitions::read(&session.client).await.doing(READ)?;
            if found.is_empty() {
                return Err(Error::NotPartitioned);
            }
            partitions::retain(&run, session, &make, &mut changes).await?;
            let found = partitions::read(&session.client).await.doing(READ)?;
            let now = partitions::now(&session.client).await.doing(READ)?;
            let (ahead, until) = partitions::ahead(&found, now);
            let message = (!changes.is_empty()).then(|| count(changes.len(), "change"));
            let done = Partitions {
                run_id: self.run_id,
                changes,
                ahead,
                until,
            };
            Ok((done, message))
        })
        .await
    }

    /// Whether fewer partitions lie ahead than there should; false before they exist.
    ///
    /// # Errors
    /// [`Error::Connect`], [`Error::Database`].
    pub async fn needs_partitions(&self, settings: &Settings) -> Result<bool, Error> {
        let run = RunContext::start(self, "partitions");
        let client = run.connect().await?;
        let look = async {
            let found = partitions::read(&client).await.doing(READ)?;
            let now = partitions::now(&client).await.doing(READ)?;
            let ahead = partitions::ahead(&found, now).0;
            Ok(!found.is_empty() && ahead < usize::try_from(settings.ahead).unwrap_or(usize::MAX))
        };
        run.briefly(READ, run.lock_wait(), look).await
    }
}
