//! The kinds of background jobs, a file each, and the registry of all.

mod settings;

use database::Database;
use database::pool::Pool;
use job_queue::Registry;

pub use settings::{ENVIRONMENT, Settings};

/// What the handlers are made of. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Resources {
    /// The settings of the process.
    pub(crate) settings: crate::Settings,
    /// For sessions of their own.
    pub(crate) database: Database,
    /// Few connections, shared by all handlers: hold one for a short transaction, never across a
    /// request to elsewhere.
    pub(crate) pool: Pool,
    /// Where handlers register their metrics; `/q/metrics` shows it.
    pub(crate) metrics: prometheus::Registry,
}

/// All kinds with their handlers, and the periodic jobs: one line per kind.
///
/// # Errors
/// When a handler cannot be made of these settings.
pub(crate) fn registry(resources: &Resources) -> anyhow::Result<Registry> {
    let Resources {
        settings: _,
        database: _,
        pool: _,
        metrics: _,
    } = resources;
    Ok(Registry::new())
}
