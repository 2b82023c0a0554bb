//! Keeps the snapshot fresh, over connections of its own, so that busy orders do not delay it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use database::pool::{Pool, ReadError};
use database::{Database, Listener, channels};
use diesel_async::AsyncPgConnection;
use shop::HashKeys;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{info, warn};

use super::Unusable;
use super::catalogue::Catalogue;
use super::reading::ReadingError;
use super::snapshot::{Snapshot, SnapshotHandle};

/// Reads snapshots and makes them active.
pub(crate) struct Refresher {
    database: Database,
    direct: Database,
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
    /// The database answers, but a table cannot be read since then: its last state is served. Other
    /// replicas would fare no better.
    Stale { since: Instant },
    /// The same before the first snapshot.
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

impl RefreshError {
    fn is_unreachable(&self) -> bool {
        matches!(self, RefreshError::Database(error) if error.is_unreachable())
    }
}

impl RefreshHealth {
    fn after(
        self,
        outcome: &Result<(), RefreshError>,
        began: Instant,
        snapshot: Option<&Snapshot>,
    ) -> RefreshHealth {
        match (outcome, snapshot) {
            (Err(RefreshError::Unusable(Unusable::SchemaTooOld { found, needed })), _) => {
                RefreshHealth::SchemaTooOld {
                    found: *found,
                    needed: *needed,
                }
            }
            (Err(error), _) if error.is_unreachable() => match self {
                RefreshHealth::Unreachable { .. } => self,
                _ => RefreshHealth::Unreachable { since: began },
            },
            (_, None) => RefreshHealth::Unusable,
            (_, Some(snapshot)) => match snapshot.tables.stale_since() {
                Some(since) => RefreshHealth::Stale { since },
                None => RefreshHealth::UpToDate,
            },
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
    /// A refresher that reads from `database` every `interval` and when `direct` notifies it.
    pub(crate) fn new(
        database: &Database,
        direct: &Database,
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
            direct: direct.clone(),
            pool: Pool::new(database, 1, limit),
            snapshots: snapshots.clone(),
            hash_keys: hash_keys.clone(),
            interval,
            limit,
        }
    }

    /// Keeps the snapshot fresh until it is dropped: after each notification, every `interval`, and
    /// every second after a failed attempt. Each attempt is reported to `health`.
    pub(crate) async fn run(mut self, health: watch::Sender<RefreshHealth>) {
        let mut listener = None;
        let mut failing = false;
        loop {
            let began = Instant::now();
            // Listening begins before reading: publications in between are not missed.
            if listener.is_none() {
                let listen = self.direct.listen(channels::DATASET_PUBLISHED);
                listener = timeout(self.limit, listen).await.ok().and_then(Result::ok);
            }
            let outcome = self.refresh(began).await;
            if let Err(error) = &outcome {
                self.keep_snapshot(error, began);
                if !failing {
                    let error = process::failure::line(error);
                    warn!(error, "the shop's data cannot be read; serving what is in memory");
                }
            }
            failing = outcome.is_err();
            let before = *health.borrow();
            let now = before.after(&outcome, began, self.snapshots.any().as_deref());
            health.send_replace(now);
            if now == RefreshHealth::UpToDate
                && !matches!(before, RefreshHealth::Starting | RefreshHealth::UpToDate)
            {
                info!("the shop's data can be read again");
            }
            if now != RefreshHealth::UpToDate {
                // Plans that a migration has made invalid end with their connection.
                self.pool = Pool::new(&self.database, 1, self.limit);
            }
            let healthy = now == RefreshHealth::UpToDate && listener.is_some();
            tokio::select! {
                () = tokio::time::sleep(if healthy { self.interval } else { RETRY }) => {}
                lost = notified(&mut listener) => if lost { listener = None },
            }
        }
    }

    async fn refresh(&self, began: Instant) -> Result<(), RefreshError> {
        let before = self.snapshots.any();
        let read = async |connection: &mut AsyncPgConnection| match Snapshot::read(
            connection,
            before.as_deref(),
            began,
        )
        .await
        {
            Ok(read) => Ok(Ok(read)),
            Err(ReadingError::Lost(error)) => Err(error),
            Err(ReadingError::Unusable(problem)) => Ok(Err(problem)),
        };
        let (mut snapshot, products) = self.pool.read_one_state(self.limit, read).await??;
        let known = before.as_ref().map(|before| before.tables.clone());
        snapshot.tables.report(&known.unwrap_or_default());
        // After the transaction: the answers of many products take a while.
        if let Some((products, modified)) = products
            && !snapshot.catalogue.is_of(&products, modified)
        {
            let made = tokio::task::spawn_blocking(move || Catalogue::new(products, modified)).await;
            snapshot.catalogue = Arc::new(made.map_err(Unusable::Catalogue)?);
        }
        if before.as_ref().map(|before| before.published_at) != Some(snapshot.published_at) {
            info!(
                products = snapshot.catalogue.len(),
                promotions = snapshot.promotions.len(),
                api_keys = snapshot.api_keys.by_hash.len(),
                published_at = snapshot.published_at.map(|at| at.to_rfc3339()),
                "the shop's data were read"
            );
        }
        if before.map(|before| before.api_keys.hash_key_ids != snapshot.api_keys.hash_key_ids) != Some(false)
        {
            self.compare_hash_keys(&snapshot);
        }
        self.snapshots.set(snapshot);
        Ok(())
    }

    /// After a failed attempt: every table is unread while the database answers, and none is known
    /// to be while it does not.
    fn keep_snapshot(&self, error: &RefreshError, began: Instant) {
        let unreachable = error.is_unreachable();
        self.snapshots.change_tables(|tables| {
            if unreachable {
                tables.unread.clear();
                tables.all_unread_since = None;
            } else {
                tables.all_unread_since.get_or_insert(began);
            }
        });
    }

    /// Says so when the loader hashed the keys under a secret that this process was not given.
    fn compare_hash_keys(&self, snapshot: &Snapshot) {
        let stored = &snapshot.api_keys.hash_key_ids;
        if !stored.is_empty() && !self.hash_keys.iter().any(|key| stored.contains(key.id())) {
            warn!(
                "no API key was hashed under a secret of API_KEY_HASH_KEY: every request with a key will be answered 403; \
                 database-load and order-food need the same secret"
            );
        }
    }
}
