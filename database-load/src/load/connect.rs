//! Waits for the database and for the schema that this build needs.

use std::time::{Duration, Instant};

use database::Database;
use database::version::{self, Applied, NEWEST};
use process::failure::{ExitCode, Failure};
use tokio_postgres::Client;
use tracing::{info, warn};

use super::{failure, session};

const POLL: Duration = Duration::from_millis(200);

/// A connection to a database whose schema is there.
///
/// # Errors
/// `DatabaseUnreachable` or `Prerequisite` after `timeout`; `Incompatible` and `Usage` at once.
pub(crate) async fn connect(database: &Database, timeout: Duration) -> Result<Client, Failure> {
    let started = Instant::now();
    let client = match session::open(database).await {
        Err(failure) if failure.code == ExitCode::DatabaseUnreachable => {
            database.wait(timeout).await.map_err(failure::connecting)?;
            session::open(database).await?
        }
        opened => opened?,
    };
    let mut said = false;
    loop {
        let applied = version::applied(&client)
            .await
            .map_err(failure::database("read the schema version"))?;
        match applied {
            Some(Applied {
                min_compatible,
                version,
            }) if min_compatible > NEWEST => {
                let message = format!(
                    "the schema has version {version} and serves builds for version {min_compatible} or newer; \
                     this one was built for version {NEWEST}"
                );
                return Err(Failure::new(ExitCode::Incompatible, message));
            }
            Some(Applied { version, .. }) if version >= NEWEST => {
                if version > NEWEST {
                    warn!(
                        version,
                        built_for = NEWEST,
                        "the schema is newer than this build, and compatible"
                    );
                }
                return Ok(client);
            }
            _ => (),
        }
        let version = applied.map_or(0, |applied| applied.version);
        if started.elapsed() >= timeout {
            let message = format!(
                "the schema has version {version}, this build needs version {NEWEST}: run `database-migration up` first"
            );
            return Err(Failure::new(ExitCode::Prerequisite, message));
        }
        if !said {
            info!(
                version,
                needed = NEWEST,
                wait_s = timeout.as_secs(),
                "waiting for the schema"
            );
            said = true;
        }
        tokio::time::sleep(POLL.min(timeout.saturating_sub(started.elapsed()))).await;
    }
}
