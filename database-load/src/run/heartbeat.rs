use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::Client;
use tracing::debug;
use uuid::Uuid;

const INTERVAL: Duration = Duration::from_secs(5);

const BEAT: &str = "UPDATE bootstrap_runs SET heartbeat_at = now() WHERE id = ANY ($1::text[]::uuid[]) AND outcome = 'running'";

/// Shows that the runs are alive, until it is dropped.
pub(crate) struct Heartbeat(JoinHandle<()>);

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Beats every 5 s, over the connection that holds the locks: it has nothing else to do while another one works.
pub(crate) fn start(client: Arc<Client>, run_ids: Vec<Uuid>) -> Heartbeat {
    let ids: Vec<String> = run_ids.iter().map(Uuid::to_string).collect();
    Heartbeat(tokio::spawn(async move {
        loop {
            tokio::time::sleep(INTERVAL).await;
            if let Err(error) = client.execute(BEAT, &[&ids]).await {
                debug!(error = %error, "a heartbeat was lost");
            }
        }
    }))
}
