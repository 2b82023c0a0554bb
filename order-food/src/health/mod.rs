//! Whether the process lives, and whether it may be sent requests. Neither ever takes a database connection.

pub(crate) mod handlers;
mod probe;
mod readiness;

use chrono::{DateTime, Utc};

pub(crate) use handlers::routes;
pub use probe::probe;
pub(crate) use readiness::Readiness;

/// How the latest runs of a start-up task went.
#[derive(Clone, Debug)]
pub(crate) struct BootstrapRun {
    /// `database-migration` or `database-load`.
    pub(crate) task: String,
    /// Whether the last finished run ended with exit code 0.
    pub(crate) succeeded: bool,
    /// How long it took, in seconds.
    pub(crate) duration_s: f64,
    /// When a run last succeeded.
    pub(crate) succeeded_at: Option<DateTime<Utc>>,
    /// Failed runs since then.
    pub(crate) consecutive_failures: i32,
}
