//! One immutable state of the reference data, and its handle: a request sees one state from begin
//! to end.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use chrono::{DateTime, Utc};
use shop::Promotion;

use super::api_keys::ApiKeys;
use super::bootstrap_runs::BootstrapRun;
use super::catalogue::Catalogue;
use super::coupon_codes::CouponCodes;
use super::table::{SkippedRows, Table};
use crate::webhooks::EndpointId;

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
    /// Partitions of the order tables that begin in the future, for the metrics.
    pub(crate) partitions_ahead: Option<i32>,
    /// When the active data were published; `None` until data were published at all.
    pub(crate) published_at: Option<DateTime<Utc>>,
    /// The database's clock when the snapshot was read, and ours at the same time.
    pub(crate) read_at: (DateTime<Utc>, Instant),
    /// Tables whose state is older than the rest, and since when they cannot be read though the
    /// database answers.
    pub(super) unread: BTreeMap<Table, Instant>,
    /// The rows that are left out.
    pub(super) skipped: BTreeMap<Table, SkippedRows>,
}

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

    /// Replaces the record of unread tables, and nothing else.
    pub(super) fn set_unread(&self, unread: impl FnOnce(&Snapshot) -> BTreeMap<Table, Instant>) {
        if let Some(snapshot) = self.any() {
            let unread = unread(&snapshot);
            if unread != snapshot.unread {
                self.set(Snapshot {
                    unread,
                    ..Snapshot::clone(&snapshot)
                });
            }
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
            unread: BTreeMap::new(),
            skipped: BTreeMap::new(),
        }
    }

    /// The database's time now, by our own monotonic clock since the snapshot was read.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        let (then, instant) = self.read_at;
        then + instant.elapsed()
    }

    /// Whether the API keys could not be read for `max_age` though the database answers: a
    /// revocation may have been missed.
    pub(crate) fn has_stale_keys(&self, max_age: Duration) -> bool {
        let unread = self.unread.get(&Table::ApiKeys);
        unread.is_some_and(|since| since.elapsed() >= max_age)
    }

    /// Since when a table cannot be read: the attempt that `began` then failed.
    pub(super) fn unread_since(&self, table: Table, began: Instant) -> Instant {
        self.unread.get(&table).copied().unwrap_or(began)
    }

    /// Since when any table cannot be read; `None`: all are up to date.
    pub(super) fn stale_since(&self) -> Option<Instant> {
        self.unread.values().min().copied()
    }

    /// How many rows of a table are left out.
    pub(crate) fn skipped_rows(&self, table: Table) -> usize {
        self.skipped.get(&table).map_or(0, |skipped| skipped.count)
    }
}
