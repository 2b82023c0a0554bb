//! The reference data in memory: catalogue, promotions, API keys, active coupon codes.

pub(crate) mod api_keys;
mod bootstrap_runs;
pub(crate) mod catalogue;
pub(crate) mod coupon_codes;
mod partitions;
mod promotions;
mod reading;
mod refresh;
pub(crate) mod snapshot;
mod table;
mod versions;

pub(crate) use api_keys::ApiKeyId;
pub(crate) use catalogue::Catalogue;
pub(crate) use coupon_codes::CouponCodes;
pub(crate) use refresh::{RefreshHealth, Refresher};
pub(crate) use snapshot::{Snapshot, SnapshotHandle};

/// No snapshot can be made of what the database answers.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("the schema has version {found}, this build needs {needed}")]
    SchemaTooOld { found: i32, needed: i32 },
    #[error("the table {0} cannot be read")]
    Table(&'static str, #[source] diesel::result::Error),
    #[error("the answers of the catalogue could not be made")]
    Catalogue(#[from] tokio::task::JoinError),
}
