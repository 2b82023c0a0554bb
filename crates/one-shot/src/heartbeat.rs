//! The sign of life of runs that take long: `bootstrap_runs.heartbeat_at`.

use std::time::Duration;

use process::failure;
use tokio::task::JoinHandle;
use tokio_postgres::types::Type;
use tracing::debug;
use uuid::Uuid;

use crate::SideChannel;

/// Time between two beats, and before the first; a run without one for 60 s counts as lost.
const INTERVAL: Duration = Duration::from_secs(5);

/// A migration may lock the table: a beat that takes longer is left out.
const LIMITS: &str = "SET lock_timeout = '1s'; SET statement_timeout = '2s'";

const BEAT: &str = "
UPDATE bootstrap_runs SET heartbeat_at = now() WHERE id = ANY ($1) AND outcome = 'running'
";

/// Shows every 5 s that runs are alive, until it is dropped.
#[derive(Debug)]
pub struct Heartbeat(JoinHandle<()>);

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Heartbeat {
    /// Starts a task that beats for these runs; a beat that fails is logged and left out.
    ///
    /// On a new connection a beat waits at most 1 s for locks and takes at most 2 s.
    #[must_use]
    pub fn start(channel: SideChannel, run_ids: Vec<Uuid>) -> Self {
        Self(tokio::spawn(async move {
            loop {
                tokio::time::sleep(INTERVAL).await;
                if let Err(error) = beat(&channel, &run_ids).await {
                    debug!(error, "a heartbeat was lost");
                }
            }
        }))
    }
}

async fn beat(channel: &SideChannel, run_ids: &Vec<Uuid>) -> Result<(), String> {
    let client = channel.client().await.map_err(|error| failure::line(&error))?;
    let beat = async {
        if let SideChannel::New(_) = channel {
            client.batch_execute(LIMITS).await?;
        }
        client.execute_typed(BEAT, &[(run_ids, Type::UUID_ARRAY)]).await
    };
    match beat.await {
        Ok(_) => Ok(()),
        Err(error) => Err(failure::line(&error)),
    }
}
