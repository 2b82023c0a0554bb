//! Waits for the schema that this build was written for: workers have no init containers.

use std::time::{Duration, Instant};

use database::Database;
use database::version::{Applied, NEWEST, applied};
use process::failure::{ExitCode, Failure, OrExit};
use tracing::info;

use crate::exit_code::connecting;

/// Time between two looks.
const EVERY: Duration = Duration::from_millis(500);

/// Returns once the schema is there.
///
/// # Errors
/// Exit code 3 when the database cannot be reached or its schema is too old for `limit`; 2 when it
/// refuses the connection; 7 when it is too new.
pub(super) async fn wait(database: &Database, limit: Duration) -> Result<(), Failure> {
    let started = Instant::now();
    database.wait(limit).await.map_err(connecting("start"))?;
    let mut said = false;
    loop {
        let found = match database.connect().await {
            Ok(client) => applied(&client)
                .await
                .or_exit(ExitCode::Usage, "read the schema's version")?,
            Err(_) => None,
        };
        match found {
            Some(Applied { min_compatible, .. }) if min_compatible > NEWEST => {
                let problem = format!(
                    "the schema needs builds of migration {min_compatible} or later, this one has {NEWEST}"
                );
                return Err(Failure::new(ExitCode::Incompatible, problem));
            }
            Some(Applied { version, .. }) if version >= NEWEST => return Ok(()),
            _ => {}
        }
        let version = found.map_or(0, |applied| applied.version);
        if started.elapsed() >= limit {
            let problem = format!(
                "the schema is at version {version} after {} s, {NEWEST} is needed: run database-migration up",
                limit.as_secs()
            );
            return Err(Failure::new(ExitCode::DatabaseUnreachable, problem));
        }
        if !said {
            info!(
                version,
                needed = NEWEST,
                wait_s = limit.as_secs(),
                "waiting for the schema"
            );
            said = true;
        }
        tokio::time::sleep(EVERY).await;
    }
}
