//! `wait`: until a version is applied, here or, on a standby, on the primary and replayed.

use std::time::{Duration, Instant};

use crate::error::Error;
use crate::event::Event;
use crate::migrator::Migrator;
use crate::run::Run;

/// Between two looks; a pod's start can spare this much.
const PAUSE: Duration = Duration::from_millis(250);

impl Migrator {
    /// Waits until `version` (or the newest of this build) is applied, at most `wait_timeout` in all,
    /// through times when the database cannot be reached. Returns the newest version applied.
    ///
    /// # Errors
    /// [`Error::StillPending`] in the end; [`Error::Connect`] when the database was not there in the end.
    pub async fn wait(&self, version: Option<i32>) -> Result<i32, Error> {
        let run = self.start("wait");
        let asked = version.unwrap_or(self.newest());
        let (started, patience) = (Instant::now(), run.limit.cap(self.wait_timeout));
        let mut said = false;
        loop {
            let left = patience.saturating_sub(started.elapsed());
            let result = look(&run, left).await;
            let waited = started.elapsed();
            match result {
                Ok(version) if version >= asked => return Ok(version),
                Ok(version) if waited >= patience => {
                    return Err(Error::StillPending {
                        version,
                        asked,
                        waited,
                    });
                }
                Ok(version) if !said => {
                    run.tell(Event::Waiting {
                        message: format!("Waiting for version {asked}: the database is at version {version}"),
                    });
                    said = true;
                }
                // The connection broke between connecting and asking: connecting again tells more.
                Err(Error::Database { .. }) if waited < patience => {}
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
async fn look(run: &Run<'_>, timeout: Duration) -> Result<i32, Error> {
    let client = run.connect_within(timeout).await?;
    let patience = timeout.min(run.migrator.lock_timeout);
    Ok(run.ledger(&client, patience).await?.version())
}
