//! Keeps the snapshot fresh, over connections of its own, so that busy orders do not delay it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use database::pool::{Pool, ReadError};
use database::{Database, Listener, channels};
use shop::HashKeys;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{info, warn};

use super::Unusable;
use super::catalogue::Catalogue;
use super::rows::{Rows, read};
use super::snapshot::{Snapshot, SnapshotHandle};

/// Reads snapshots and makes them active.
pub(crate) struct Refresher {
    database: Database,
    pool: Pool,
    snapshots: SnapshotHandle,
    hash_keys: HashKeys,
    interval: Duration,
    limit: Duration,
}

/// The result of the last attempt to read the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefreshHealth {
    /// No attempt has ended yet.
    Starting,
    /// The snapshot is up to date.
    UpToDate,
    /// The schema is older than this build needs.
    SchemaTooOld { found: i32, needed: i32 },
    /// The database is unreachable since the beginning of the first failed attempt.
    Unreachable { since: Instant },
    /// The database answers with data that cannot be used: other replicas would fare no better.
    Unusable,
}

/// Why no snapshot could be made.
#[derive(Debug, thiserror::Error)]
enum RefreshError {
    #[error(transparent)]
    Database(#[from] ReadError),
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

/// Pause between two attempts while the data cannot be read.
const RETRY: Duration = Duration::from_secs(1);
/// Limit for reading everything: twice the statement timeout, and never longer than this.
const READ_LIMIT: Duration = Duration::from_secs(10);

impl RefreshHealth {
    fn after(&self, outcome: &Result<(), RefreshError>, began: Instant) -> RefreshHealth {
        match outcome {
            Ok(()) => RefreshHealth::UpToDate,
            Err(RefreshError::Unusable(Unusable::SchemaTooOld { found, needed })) => {
                RefreshHealth::SchemaTooOld {
                    found: *found,
                    needed: *needed,
                }
            }
            Err(RefreshError::Database(error)) if error.is_unreachable() => match self {
                RefreshHealth::Unreachable { .. } => *self,
                _ => RefreshHealth::Unreachable { since: began },
            },
            Err(_) => RefreshHealth::Unusable,
        }
    }
}

/// Waits for a notification; true when the connection is lost instead. Never ends without a
/// listener.
async fn notified(listener: &mut Option<Listener>) -> bool {
    match listener {
        Some(listener) => listener.next().await.is_none(),
        None => std::future::pending().await,
    }
}

impl Refresher {
    /// A refresher that reads every `interval` and when it is notified.
    pub(crate) fn new(
        database: &Database,
        snapshots: &SnapshotHandle,
        hash_keys: &HashKeys,
        interval: Duration,
    ) -> Refresher {
        let limit = match 2 * database.statement_timeout() {
            Duration::ZERO => READ_LIMIT,
            limit => limit.min(READ_LIMIT),
        };
        Refresher {
            database: database.clone(),
            pool: Pool::new(database, 1, limit),
            snapshots: snapshots.clone(),
            hash_keys: hash_keys.clone(),
            interval,
            limit,
        }
    }

    /// Keeps the snapshot fresh until it is dropped: after each notification, every `interval`, and
    /// every second after a failed attempt. Each attempt is reported to `health`.
    pub(crate) async fn run(self, health: watch::Sender<RefreshHealth>) {
        let mut listener = None;
        loop {
            let began = Instant::now();
            // Listening begins before reading: publications in between are not missed.
            if listener.is_none() {
                let listen = self.database.listen(channels::DATASET_PUBLISHED);
                listener = timeout(self.limit, listen).await.ok().and_then(Result::ok);
            }
            let outcome = self.refresh().await;
            let before = *health.borrow();
            let now = before.after(&outcome, began);
            health.send_replace(now);
            let was_failing = !matches!(before, RefreshHealth::Starting | RefreshHealth::UpToDate);
            match outcome {
                Ok(()) if was_failing => info!("the shop's data can be read again"),
                Err(error) if !was_failing => {
                    let error = process::failure::line(&error);
                    warn!(error, "the shop's data cannot be read; serving what is in memory");
                }
                _ => {}
            }
            let healthy = now == RefreshHealth::UpToDate && listener.is_some();
            tokio::select! {
                () = tokio::time::sleep(if healthy { self.interval } else { RETRY }) => {}
                lost = notified(&mut listener) => if lost { listener = None },
            }
        }
    }

    async fn refresh(&self) -> Result<(), RefreshError> {
        let rows = self.pool.read(self.limit, read).await??;
        let before = self.snapshots.any();
        if before.as_ref().map(|before| before.published_at) != Some(rows.published_at) {
            info!(
                products = rows.products.len(),
                promotions = rows.promotions.len(),
                api_keys = rows.api_keys.len(),
                published_at = rows.published_at.map(|at| at.to_rfc3339()),
                "the shop's data were read"
            );
        }
        if before.as_ref().map(|before| &before.hash_key_ids) != Some(&rows.hash_key_ids) {
            self.compare_hash_keys(&rows);
        }
        self.snapshots.set(snapshot(rows, before).await?);
        Ok(())
    }

    /// Says so when the loader hashed the keys under a secret that this process was not given.
    fn compare_hash_keys(&self, rows: &Rows) {
        let stored = &rows.hash_key_ids;
        if !stored.is_empty() && !self.hash_keys.iter().any(|key| stored.contains(key.id())) {
            warn!(
                "no API key was hashed under a secret of API_KEY_HASH_KEY: every request with a key will be answered 403; \
                 database-load and order-food need the same secret"
            );
        }
    }
}

/// The snapshot of these rows; the bytes of an unchanged catalogue are taken over from the one
/// before.
async fn snapshot(rows: Rows, before: Option<Arc<Snapshot>>) -> Result<Snapshot, Unusable> {
    let Rows {
        products,
        products_published_at: published_at,
        ..
    } = rows;
    let unchanged = before.filter(|before| before.catalogue.is_of(&products, published_at));
    let catalogue = match unchanged {
        Some(before) => before.catalogue.clone(),
        None => {
            let made = tokio::task::spawn_blocking(move || Catalogue::new(products, published_at)).await;
            Arc::new(made.map_err(|ended| Unusable::Row(format!("products: {ended}")))?)
        }
    };
    Ok(Snapshot {
        catalogue,
        promotions: rows.promotions,
        api_keys: rows.api_keys,
        hash_key_ids: rows.hash_key_ids,
        coupon_codes: rows.coupon_codes,
        runs: rows.runs,
        published_at: rows.published_at,
        read_at: rows.read_at,
    })
}
