//! `wait`: until a version is applied, here or, on a standby, on the primary and replayed.

use std::time::{Duration, Instant};

use tracing::info;

use crate::error::Error;
use crate::migrator::Migrator;
use crate::run_context::RunContext;

/// Pause between two queries of the ledger.
const PAUSE: Duration = Duration::from_millis(250);

impl Migrator {
    /// Waits until `version` (or the newest of this build) is applied, at most `wait_timeout` in
    /// all, through times when the database cannot be reached. Returns the newest version applied.
    ///
    /// # Errors
    /// [`Error::StillPending`] in the end; [`Error::Connect`] when the database was not
    /// there in the end.
    pub async fn wait(&self, version: Option<i32>) -> Result<i32, Error> {
        let run = RunContext::start(self, "wait");
        let asked = version.unwrap_or(self.newest());
        let (started, limit) = (Instant::now(), run.deadline.cap(self.wait_timeout));
        let mut said = false;
        loop {
            let left = limit.saturating_sub(started.elapsed());
            let result = newest_applied(&run, left).await;
            let waited = started.elapsed();
            match result {
                Ok(version) if version >= asked => return Ok(version),
                Ok(version) if waited >= limit => {
                    return Err(Error::StillPending {
                        version,
                        asked,
                        waited,
                    });
                }
                Ok(version) if !said => {
                    info!("Waiting for version {asked}: the database is at version {version}");
                    said = true;
                }
                // The connection broke between connecting and asking: connecting again tells more.
                Err(Error::Database { .. }) if waited < limit => {}
                Err(error) => return Err(error),
                Ok(_) => {}
            }
            run.unless_stopped(async {
                tokio::time::sleep(PAUSE).await;
                Ok(())
            })
            .await?;
        }
    }
}

/// The newest version applied.
async fn newest_applied(run: &RunContext<'_>, timeout: Duration) -> Result<i32, Error> {
    let client = run.connect_within(timeout).await?;
    let lock_wait = timeout.min(run.migrator.lock_timeout);
    Ok(run.ledger(&client, lock_wait).await?.version())
}
