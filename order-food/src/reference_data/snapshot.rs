//! One immutable state of the reference data, and its handle: a request sees one state from begin
//! to end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use chrono::{DateTime, Utc};
use database::version::NEWEST;
use diesel_async::AsyncPgConnection;
use shop::{Product, Promotion};

use super::Unusable;
use super::api_keys::{ApiKeys, read_api_keys};
use super::bootstrap_runs::{BootstrapRun, read_runs};
use super::catalogue::{Catalogue, read_products};
use super::coupon_codes::{CouponCodes, read_coupon_codes};
use super::partitions::partitions_ahead;
use super::promotions::read_promotions;
use super::reading::{Reading, ReadingError};
use super::table::TableStates;
use super::versions::{ActiveVersions, LEDGER, active_versions, clock, newest_migration};
use crate::webhooks::endpoints;
use crate::webhooks::{EndpointId, EventType};

/// One state of the reference data.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) promotions: Arc<HashMap<String, Promotion>>,
    pub(crate) api_keys: Arc<ApiKeys>,
    pub(crate) coupon_codes: Arc<CouponCodes>,
    /// The active endpoints that want to hear of new orders.
    pub(crate) webhook_endpoints: Arc<[EndpointId]>,
    /// The latest start-up runs, for the metrics.
    pub(crate) runs: Arc<[BootstrapRun]>,
    /// Partitions of the order tables that begin in the future, for the metrics; `None` when they
    /// could not be read, too.
    pub(crate) partitions_ahead: Option<i32>,
    /// When the active data were published; `None` until data were published at all.
    pub(crate) published_at: Option<DateTime<Utc>>,
    /// The database's clock when the snapshot was read, and ours at the same time.
    pub(crate) read_at: (DateTime<Utc>, Instant),
    /// What could not be read.
    pub(crate) tables: TableStates,
}

/// The products of a catalogue that is to be made, and when they were published.
pub(super) type Products = (Vec<Product>, Option<DateTime<Utc>>);

/// The active snapshot; empty until the first could be read. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct SnapshotHandle(Arc<ArcSwapOption<Snapshot>>);

impl SnapshotHandle {
    /// The active snapshot, once data were published.
    pub(crate) fn get(&self) -> Option<Arc<Snapshot>> {
        self.0
            .load_full()
            .filter(|snapshot| snapshot.published_at.is_some())
    }

    /// The result of `read` on the active snapshot, once data were published. For short reads: the
    /// reference is not counted.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Snapshot) -> T) -> Option<T> {
        let snapshot = self.0.load();
        let published = snapshot
            .as_deref()
            .filter(|snapshot| snapshot.published_at.is_some());
        published.map(read)
    }

    /// The active snapshot, data or not.
    pub(crate) fn any(&self) -> Option<Arc<Snapshot>> {
        self.0.load_full()
    }

    pub(super) fn set(&self, snapshot: Snapshot) {
        self.0.store(Some(Arc::new(snapshot)));
    }

    /// Changes what is known of the tables, and nothing else.
    pub(super) fn change_tables(&self, change: impl FnOnce(&mut TableStates)) {
        if let Some(snapshot) = self.any() {
            let mut snapshot = Snapshot::clone(&snapshot);
            change(&mut snapshot.tables);
            self.set(snapshot);
        }
    }
}

impl Snapshot {
    /// A state with these products and promotions, and nothing else.
    #[cfg(test)]
    pub(crate) fn of(products: Vec<shop::Product>, promotions: Vec<Promotion>) -> Snapshot {
        let by_code = |promotion: Promotion| (promotion.code.as_str().to_owned(), promotion);
        Snapshot {
            catalogue: Arc::new(Catalogue::new(products, None)),
            promotions: Arc::new(promotions.into_iter().map(by_code).collect()),
            api_keys: Arc::default(),
            coupon_codes: Arc::new(CouponCodes::None),
            webhook_endpoints: Arc::new([]),
            runs: Arc::new([]),
            partitions_ahead: None,
            published_at: None,
            read_at: (Utc::now(), Instant::now()),
            tables: TableStates::default(),
        }
    }

    /// Reads everything. The caller's transaction shows one state: no mixture of two publications.
    /// A table that cannot be read is taken over from the state `before`. The catalogue is the one
    /// before, and to be made of the products that come with it, if any.
    ///
    /// API keys come first: the limit of the whole may end the reading of a large catalogue.
    ///
    /// # Errors
    /// When the connection is lost, the schema is too old, or a table could never be read.
    pub(super) async fn read(
        connection: &mut AsyncPgConnection,
        before: Option<&Snapshot>,
        began: Instant,
    ) -> Result<(Snapshot, Option<Products>), ReadingError> {
        let known = before.map(|before| (before, &before.tables));
        let mut reading = Reading::new(connection, known, began);
        let found = reading.table(LEDGER, newest_migration, |_| NEWEST).await?;
        if found < NEWEST {
            let needed = NEWEST;
            return Err(Unusable::SchemaTooOld { found, needed }.into());
        }
        let instant = Instant::now();
        let now = clock(reading.connection).await?;
        let active: Option<ActiveVersions> = reading
            .table("dataset_versions", active_versions, |_| None)
            .await?;
        let api_keys = reading
            .rows("api_keys", read_api_keys, |kept| kept.api_keys.clone())
            .await?;
        let promotions = reading
            .rows("promotions", read_promotions, |kept| kept.promotions.clone())
            .await?;
        let products: Option<Vec<Product>> = reading.rows("products", read_products, |_| None).await?;
        let coupon_codes = match (&active, before) {
            // Without versions the active codes are not known.
            (None, Some(before)) => before.coupon_codes.clone(),
            (active, _) => {
                let version = active.as_ref().and_then(|active| active.get("coupon_codes"));
                let version = version.map(|(version, _)| *version);
                let read =
                    async |connection: &mut AsyncPgConnection| read_coupon_codes(connection, version).await;
                let kept = |kept: &Snapshot| kept.coupon_codes.clone();
                reading.table("coupon_codes", read, kept).await?
            }
        };
        let runs = reading
            .table("bootstrap_runs", read_runs, |kept| kept.runs.clone())
            .await?;
        let read = async |connection: &mut AsyncPgConnection| {
            endpoints::active(connection, EventType::OrderPlaced).await
        };
        let kept = |kept: &Snapshot| kept.webhook_endpoints.clone();
        let webhook_endpoints = reading.table("webhook_endpoints", read, kept).await?;
        let partitions_ahead = reading.attempt(partitions_ahead).await?.ok().flatten();
        let catalogue = match before {
            Some(before) => before.catalogue.clone(),
            None => Arc::new(Catalogue::new(Vec::new(), None)),
        };
        let (published_at, modified) = match &active {
            Some(active) => {
                let modified = active.get("products").map(|(_, at)| *at);
                (active.values().map(|(_, at)| *at).max(), modified)
            }
            None => (
                before.and_then(|before| before.published_at),
                catalogue.modified(),
            ),
        };
        let snapshot = Snapshot {
            catalogue,
            promotions,
            api_keys,
            coupon_codes,
            webhook_endpoints,
            runs,
            partitions_ahead,
            published_at,
            read_at: (now, instant),
            tables: reading.tables,
        };
        Ok((snapshot, products.map(|products| (products, modified))))
    }

    /// The database's time now, by our own monotonic clock since the snapshot was read.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        let (then, instant) = self.read_at;
        then + instant.elapsed()
    }

    /// Whether the API keys could not be read for `max_age` though the database answers: a
    /// revocation may have been missed.
    pub(crate) fn has_stale_keys(&self, max_age: Duration) -> bool {
        let unread = self.tables.unread_since("api_keys");
        unread.is_some_and(|since| since.elapsed() >= max_age)
    }
}
