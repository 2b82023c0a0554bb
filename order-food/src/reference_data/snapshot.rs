//! One immutable state of the reference data, and its handle: a request sees one state from begin
//! to end.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwapOption;
use chrono::{DateTime, Utc};
use shop::{KeyHash, Promotion};

use super::api_keys::KeyRecord;
use super::bootstrap_runs::BootstrapRun;
use super::catalogue::Catalogue;
use super::coupon_codes::CouponCodes;

/// One state of the reference data.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) promotions: HashMap<String, Promotion>,
    pub(crate) api_keys: HashMap<KeyHash, KeyRecord>,
    /// The hash keys under which the API keys were hashed, by id.
    pub(crate) hash_key_ids: BTreeSet<String>,
    pub(crate) coupon_codes: CouponCodes,
    /// The latest start-up runs, for the metrics.
    pub(crate) runs: Vec<BootstrapRun>,
    /// When the active data were published; `None` until data were published at all.
    pub(crate) published_at: Option<DateTime<Utc>>,
    /// The database's clock when the snapshot was read, and ours at the same time.
    pub(crate) read_at: (DateTime<Utc>, Instant),
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
}

impl Snapshot {
    /// The database's time now, by our own monotonic clock since the snapshot was read.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        let (then, instant) = self.read_at;
        then + instant.elapsed()
    }
}
