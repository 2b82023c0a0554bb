//! The kinds of background jobs, a file each, and the registry of all.

mod settings;
mod webhook;
mod webhook_probe;

use database::Database;
use database::pool::Pool;
use job_queue::Registry;
use std::sync::Arc;
use std::time::Duration;

use crate::webhooks::Deliverer;

pub use settings::{ENVIRONMENT, Settings};
pub(crate) use webhook::OrderWebhook;

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
        settings,
        database: _,
        pool,
        metrics,
    } = resources;
    let slots = settings.jobs.concurrency;
    let deliverer = Arc::new(Deliverer::new(&settings.webhooks, pool.clone(), slots, metrics)?);
    Ok(Registry::new()
        .job(OrderWebhook(deliverer.clone()))
        .job(webhook_probe::EndpointProbe(deliverer))
        .every(
            "webhook.endpoint_probe",
            Duration::from_secs(60),
            webhook_probe::job()?,
        ))
}
