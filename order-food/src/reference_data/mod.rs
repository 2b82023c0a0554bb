//! The reference data in memory: catalogue, promotions, API keys, active coupon codes.

pub(crate) mod api_keys;
mod bootstrap_runs;
pub(crate) mod catalogue;
pub(crate) mod coupon_codes;
mod promotions;
mod refresh;
mod rows;
pub(crate) mod snapshot;

pub(crate) use api_keys::{ApiKeyId, KeyRecord};
pub(crate) use catalogue::{Catalogue, Product};
pub(crate) use coupon_codes::CouponCodes;
pub(crate) use refresh::{RefreshHealth, Refresher};
pub(crate) use snapshot::{Snapshot, SnapshotHandle};

/// The rows cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("the schema has version {found}, this build needs {needed}")]
    SchemaTooOld { found: i32, needed: i32 },
    #[error("the database cannot read the shop's data")]
    Query(#[from] diesel::result::Error),
    #[error("a row cannot be understood: {0}")]
    Row(String),
}
