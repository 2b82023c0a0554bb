use std::sync::Arc;
use std::time::{Duration, Instant};

use database::pool::{Pool, ReadError};
use database::{Database, Listener, channels};
use shop::HashKeys;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::queries::{self, Rows};
use super::{Current, Snapshot, Unusable};
use crate::health::Readiness;
use crate::products::Catalogue;

/// Reads snapshots and puts them in force, over connections of its own: busy orders do not hold it up.
pub(crate) struct Refresher {
    database: Database,
    pool: Pool,
    current: Current,
    readiness: Arc<Readiness>,
    interval: Duration,
    limit: Duration,
    hash_keys: HashKeys,
}

/// Why no snapshot could be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotError {
    #[error(transparent)]
    Database(#[from] ReadError),
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

/// Between two attempts while the data cannot be read.
const RETRY: Duration = Duration::from_secs(1);
/// How long reading everything may take: twice as long as one statement, and never longer than this.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// Keeps the snapshot fresh until `shutdown`: after each notification, every `interval`, and every second while the last
/// attempt failed. `first` turns true with the first snapshot that could be read.
pub(crate) async fn keep_fresh(
    refresher: Refresher,
    first: watch::Sender<bool>,
    shutdown: CancellationToken,
) {
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = refresher.run(first) => {}
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
    /// A refresher that reads every `interval` and when it is notified.
    pub(crate) fn new(
        database: &Database,
        current: &Current,
        readiness: &Arc<Readiness>,
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
            current: current.clone(),
            readiness: readiness.clone(),
            hash_keys: hash_keys.clone(),
            interval,
            limit,
        }
    }

    async fn run(self, first: watch::Sender<bool>) {
        let mut listener = None;
        let mut failing = false;
        loop {
            let began = Instant::now();
            // Listening begins before reading: what is published in between is not missed.
            if listener.is_none() {
                let listen = self.database.listen(channels::DATASET_PUBLISHED);
                listener = timeout(self.limit, listen).await.ok().and_then(Result::ok);
            }
            let outcome = self.refresh().await;
            self.readiness.observed(&outcome, began);
            match outcome {
                Ok(()) if failing => info!("the shop's data can be read again"),
                Err(error) if !failing => {
                    let error = process::failure::line(&error);
                    warn!(error, "the shop's data cannot be read; serving what is in memory");
                }
                _ => {}
            }
            failing = self.readiness.in_trouble();
            if !failing {
                let _ = first.send_replace(true);
            }
            let healthy = !failing && listener.is_some();
            tokio::select! {
                () = tokio::time::sleep(if healthy { self.interval } else { RETRY }) => {}
                lost = notified(&mut listener) => if lost { listener = None },
            }
        }
    }

    async fn refresh(&self) -> Result<(), SnapshotError> {
        let rows = self.pool.read(self.limit, queries::read).await??;
        let before = self.current.any();
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
        self.current.set(snapshot(rows, before).await?);
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

/// The snapshot of these rows; the bytes of an unchanged catalogue are taken over from the one before.
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
