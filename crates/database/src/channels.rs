//! Names of the `NOTIFY` channels.

/// Sent when a publication commits: products, users, promotions or coupon codes may have changed.
/// The payload is the dataset version as decimal text.
pub const DATASET_PUBLISHED: &str = "dataset_published";

/// Sent after jobs were committed, merged within a process; no payload.
pub const JOBS_QUEUED: &str = "jobs_queued";

/// Sent after orders were placed or changed. The payload is empty for new orders, merged within a
/// process to 4 a second; for changes it is `<order id> <version>`, several separated by commas.
pub const ORDERS_CHANGED: &str = "orders_changed";
