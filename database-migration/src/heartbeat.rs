//! The sign of life of a run that takes long.

use std::time::Duration;

use database::Database;
use process::failure;
use tokio::task::JoinHandle;
use tokio_postgres::types::Type;
use tracing::debug;
use uuid::Uuid;

/// As often as a load beats.
const INTERVAL: Duration = Duration::from_secs(5);

/// The migration may hold the table: then this beat is left out.
const LIMITS: &str = "SET lock_timeout = '1s'; SET statement_timeout = '2s'";

const BEAT: &str = "
UPDATE bootstrap_runs SET heartbeat_at = now() WHERE id = $1::text::uuid AND outcome = 'running'
";

/// Shows that the run is alive, until it is dropped.
pub(crate) struct Heartbeat(JoinHandle<()>);

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Beats every 5 s over connections of its own, since the run's is busy; most runs end before the first beat.
pub(crate) fn start(database: &Database, run_id: Uuid) -> Heartbeat {
    let (database, id) = (database.clone(), run_id.to_string());
    Heartbeat(tokio::spawn(async move {
        loop {
            tokio::time::sleep(INTERVAL).await;
            if let Err(problem) = beat(&database, &id).await {
                debug!(problem, "a heartbeat was lost");
            }
        }
    }))
}

async fn beat(database: &Database, id: &String) -> Result<(), String> {
    let client = database.connect().await.map_err(|error| failure::line(&error))?;
    let beat = async {
        client.batch_execute(LIMITS).await?;
        client.execute_typed(BEAT, &[(id, Type::TEXT)]).await
    };
    beat.await
        .map(drop)
        .map_err(|error: tokio_postgres::Error| failure::line(&error))
}
