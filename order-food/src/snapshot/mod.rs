//! The reference data in memory: catalogue, promotions, API keys, which coupon codes are active. One immutable value,
//! replaced whole when the data change, so that a request sees one state from begin to end.

mod queries;
mod refresh;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwapOption;
use chrono::{DateTime, Utc};
use shop::{KeyHash, Promotion};
use uuid::Uuid;

pub(crate) use queries::Unusable;
pub(crate) use refresh::{Refresher, SnapshotError, keep_fresh};

use crate::auth::KeyRecord;
use crate::health::BootstrapRun;
use crate::products::Catalogue;

/// One state of the reference data.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) promotions: HashMap<String, Promotion>,
    pub(crate) api_keys: HashMap<KeyHash, KeyRecord>,
    /// The hash keys under which the API keys were hashed, by id.
    pub(crate) hash_key_ids: BTreeSet<String>,
    pub(crate) coupon_codes: CouponCodes,
    /// How the latest start-up runs went, for the metrics.
    pub(crate) runs: Vec<BootstrapRun>,
    /// When the active data were published; `None` until data were published at all.
    pub(crate) published_at: Option<DateTime<Utc>>,
    /// The database's clock when the snapshot was read, and ours at the same time.
    pub(crate) read_at: (DateTime<Utc>, Instant),
}

/// The bulk codes of the active version.
#[derive(Debug)]
pub(crate) enum CouponCodes {
    /// None were published.
    None,
    /// Few enough to hold.
    Held(HashSet<String>),
    /// To be looked up in the table under this version.
    Stored(i64),
}

/// The snapshot in force; empty until the first could be read. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Current(Arc<ArcSwapOption<Snapshot>>);

impl Current {
    /// The snapshot in force, once data were published.
    pub(crate) fn get(&self) -> Option<Arc<Snapshot>> {
        self.0
            .load_full()
            .filter(|snapshot| snapshot.published_at.is_some())
    }

    /// What `look` finds in the snapshot in force, once data were published. For a short look: references are not counted.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Snapshot) -> T) -> Option<T> {
        let snapshot = self.0.load();
        let published = snapshot
            .as_deref()
            .filter(|snapshot| snapshot.published_at.is_some());
        published.map(look)
    }

    /// The snapshot in force, data or not.
    pub(crate) fn any(&self) -> Option<Arc<Snapshot>> {
        self.0.load_full()
    }

    fn set(&self, snapshot: Snapshot) {
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

/// The id of an API key: what orders point to.
pub(crate) type ApiKeyId = Uuid;
