//! Whether the process lives, and whether it may be sent requests. Neither ever takes a database connection.

pub(crate) mod handlers;
mod probe;
mod readiness;
mod trial;

use chrono::{DateTime, Utc};

pub(crate) use handlers::routes;
pub use probe::probe;
pub(crate) use readiness::Readiness;
pub use trial::try_order;

/// How the latest runs of a start-up task went.
#[derive(Clone, Debug)]
pub(crate) struct BootstrapRun {
    /// `database-migration` or `database-load`.
    pub(crate) task: String,
    /// Whether the last finished run ended with exit code 0.
    pub(crate) succeeded: bool,
    /// How long it took, in seconds.
    pub(crate) duration_s: f64,
    /// When it ended, or showed its last sign of life.
    pub(crate) ended_at: DateTime<Utc>,
    /// Since when a run goes on.
    pub(crate) running_since: Option<DateTime<Utc>>,
    /// When a run last succeeded.
    pub(crate) succeeded_at: Option<DateTime<Utc>>,
    /// Failed runs since then.
    pub(crate) consecutive_failures: i32,
    /// Runs since then, of any command, that ended without a word.
    pub(crate) lost: i32,
}
