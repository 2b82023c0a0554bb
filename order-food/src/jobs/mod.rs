//! The kinds of background jobs, a file each, and the registry of all.

mod idempotency_purge;
pub(crate) mod job_action;
mod job_retention;
pub(crate) mod operator_bulk;
mod orders_answer;
mod reporting_backfill;
pub(crate) mod reporting_export;
mod reporting_refresh;
mod reporting_retention;
mod settings;
mod webhook;
mod webhook_probe;

use std::sync::Arc;
use std::time::Duration;

use database::pool::Pool;
use job_queue::{Job, NewJob, Queue, Registry};

use crate::live::Live;
use crate::orders::status::ReadyIn;
use crate::webhooks::Deliverer;
use idempotency_purge::IdempotencyPurge;
use job_retention::JobRetention;
use orders_answer::{Answering, AutoAccept, RejectUnanswered};
use reporting_backfill::ReportingBackfill;
use reporting_export::ReportingExport;
use reporting_refresh::ReportingRefresh;
use reporting_retention::ReportingRetention;
pub(crate) use settings::{ENVIRONMENT, Settings, SweepPlace, pause_by_either_name};
pub(crate) use webhook::{OrderWebhook, test_delivery};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// What the handlers are made of. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Resources {
    /// The settings of the process.
    pub(crate) settings: crate::Settings,
    /// Few connections, shared by all handlers: hold one for a short transaction, never across a
    /// request to elsewhere.
    pub(crate) pool: Pool,
    /// Told of orders that handlers change, after COMMIT.
    pub(crate) live: Live,
    /// Tells workers of what handlers enqueue.
    pub(crate) queue: Queue,
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
        pool,
        queue,
        live,
        metrics,
    } = resources;
    let slots = settings.jobs.concurrency;
    let deliverer = Arc::new(Deliverer::new(&settings.webhooks, pool.clone(), slots, metrics)?);
    let reports = &settings.reports;
    let store = reports.store()?;
    let retention = Duration::from_secs(settings.jobs.retention_s);
    let answering = Answering {
        pool: pool.clone(),
        queue: queue.clone(),
        live: live.clone(),
    };
    let mut registry = Registry::new()
        .job(OrderWebhook(deliverer.clone()))
        .job(webhook_probe::EndpointProbe(deliverer))
        .every("webhook.endpoint_probe", MINUTE, webhook_probe::job()?)
        .job(ReportingRefresh {
            pool: pool.clone(),
            time_zone: reports.time_zone.clone(),
        })
        .every("reporting.refresh", MINUTE, ReportingRefresh::periodic()?)
        .job(ReportingBackfill { pool: pool.clone() })
        .job(ReportingExport {
            pool: pool.clone(),
            store: store.clone(),
            time_zone: reports.time_zone.clone(),
            rows_per_second: reports.export_rows_per_second,
        })
        .job(ReportingRetention { store, retention })
        .every("reporting.retention", HOUR, periodic::<ReportingRetention>())
        .job(AutoAccept {
            answering: answering.clone(),
            ready_in: ReadyIn::by_default(settings.orders.ready_minutes),
        })
        .job(RejectUnanswered::new(answering, &settings.orders))
        .every(
            "orders.reject_unanswered",
            RejectUnanswered::every(&settings.orders),
            periodic::<RejectUnanswered>(),
        )
        .job(operator_bulk::OperatorBulk { pool: pool.clone() })
        .job(IdempotencyPurge { pool: pool.clone() })
        .job(JobRetention {
            pool: pool.clone(),
            retention,
            audit_retention: Duration::from_secs(settings.jobs.audit_retention_s),
        })
        .every("job_retention", job_retention::EVERY, periodic::<JobRetention>());
    if settings.orders.auto_accept {
        registry = registry.every(
            "orders.auto_accept",
            orders_answer::OFTEN,
            periodic::<AutoAccept>(),
        );
    }
    if settings.jobs.idempotency_sweep_in == SweepPlace::Workers {
        registry = registry.every(
            "idempotency_purge",
            idempotency_purge::EVERY,
            periodic::<IdempotencyPurge>(),
        );
    }
    Ok(registry)
}

/// A periodic job without a payload: one at a time.
fn periodic<J: Job<Payload = ()>>() -> NewJob {
    NewJob::raw(J::KIND, "null".to_owned()).unique("periodic")
}
