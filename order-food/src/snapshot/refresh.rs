use std::sync::Arc;
use std::time::Duration;

use database::{Database, Listener, channels, pool::Pool};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{Current, ReadError, Snapshot, queries};
use crate::health::Readiness;
use crate::spans::with_causes;

/// Reads snapshots and puts them in force.
pub(crate) struct Refresher {
    pub(crate) database: Database,
    pub(crate) pool: Pool,
    pub(crate) current: Current,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) interval: Duration,
}

/// Between two attempts while the data cannot be read.
const RETRY: Duration = Duration::from_secs(1);

/// Keeps the snapshot fresh until `shutdown`: after each notification, every `interval`, and every second while the last
/// attempt failed. `first` turns true with the first snapshot that could be read.
pub(crate) async fn keep_fresh(
    refresher: Refresher,
    first: watch::Sender<bool>,
    shutdown: CancellationToken,
) {
    let mut listener = None;
    let mut failing = false;
    loop {
        // Listening begins before reading: what is published in between is not missed.
        if listener.is_none() {
            listener = refresher.database.listen(channels::DATASET_PUBLISHED).await.ok();
        }
        let outcome = refresher.refresh().await;
        refresher.readiness.observed(&outcome);
        match outcome {
            Ok(()) => {
                if failing {
                    info!("the shop's data can be read again");
                }
                failing = false;
                let _ = first.send_replace(true);
            }
            Err(error) => {
                if !failing {
                    warn!(
                        error = with_causes(&error),
                        "the shop's data cannot be read; serving what is in memory"
                    );
                }
                failing = true;
            }
        }
        let healthy = !failing && listener.is_some();
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(if healthy { refresher.interval } else { RETRY }) => {}
            lost = notified(&mut listener) => if lost { listener = None },
        }
    }
}

/// Waits for a notification; true when the connection is lost instead. Without a listener it never ends.
async fn notified(listener: &mut Option<Listener>) -> bool {
    match listener {
        Some(listener) => listener.next().await.is_none(),
        None => std::future::pending().await,
    }
}

impl Refresher {
    async fn refresh(&self) -> Result<(), ReadError> {
        let snapshot = self.read().await?;
        debug!(
            products = snapshot.catalogue.len(),
            api_keys = snapshot.api_keys.len(),
            "the shop's data were read"
        );
        self.current.set(snapshot);
        Ok(())
    }

    /// A connection that died while idle is replaced once.
    async fn read(&self) -> Result<Snapshot, ReadError> {
        let first = queries::read(&mut *self.pool.get().await?).await;
        match first {
            Err(ReadError::Query(error)) => {
                debug!(error = %error, "reading the shop's data again on another connection");
                queries::read(&mut *self.pool.get().await?).await
            }
            outcome => outcome,
        }
    }
}
