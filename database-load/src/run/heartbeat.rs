use std::time::Duration;

use database::Database;
use tokio::task::JoinHandle;
use tracing::debug;
use uuid::Uuid;

const INTERVAL: Duration = Duration::from_secs(5);

const BEAT: &str = "UPDATE bootstrap_runs SET heartbeat_at = now() WHERE id = ANY ($1::text[]::uuid[]) AND outcome = 'running'";

/// Shows that the runs are alive, until it is dropped.
pub(super) struct Heartbeat(JoinHandle<()>);

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Beats every 5 s, over a connection of its own that short runs never open.
pub(super) fn start(database: &Database, run_ids: Vec<Uuid>) -> Heartbeat {
    let database = database.clone();
    let ids: Vec<String> = run_ids.iter().map(Uuid::to_string).collect();
    Heartbeat(tokio::spawn(async move {
        let mut client = None;
        loop {
            tokio::time::sleep(INTERVAL).await;
            let beat = async {
                let connected = match client.take() {
                    Some(connected) => connected,
                    None => database.connect().await?,
                };
                connected.execute(BEAT, &[&ids]).await?;
                client = Some(connected);
                anyhow::Ok(())
            };
            if let Err(error) = beat.await {
                debug!(error = format!("{error:#}"), "a heartbeat was lost");
            }
        }
    }))
}
