//! GET /metrics.

use actix_web::HttpResponse;
use actix_web::web;
use chrono::{DateTime, Utc};
use prometheus::{Encoder, GaugeVec, IntGaugeVec, Registry, TextEncoder};

use super::NO_LABEL;
use crate::http::{ApiError, ErrorBody};
use crate::state::AppState;

/// The metrics in Prometheus' text format. Absent when switched off.
#[utoipa::path(
    get, path = "/metrics", tag = "operations", operation_id = "metrics",
    responses(
        (status = 200, description = "The metrics", body = String, content_type = "text/plain"),
        (status = 404, description = "Metrics are switched off", body = ErrorBody),
    )
)]
pub(crate) async fn metrics(
    state: web::Data<AppState>,
    registry: web::Data<Registry>,
) -> Result<HttpResponse, ApiError> {
    collect(&state);
    let mut text = Vec::new();
    let encoder = TextEncoder::new();
    encoder.encode(&registry.gather(), &mut text).map_err(|problem| {
        tracing::error!(error = %problem, "the metrics cannot be written");
        ApiError::Internal
    })?;
    Ok(HttpResponse::Ok().content_type(encoder.format_type()).body(text))
}

/// Sets the metrics that are read at each scrape only.
fn collect(state: &AppState) {
    let metrics = &state.metrics;
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let up_to_date = state.readiness.is_up_to_date();
    metrics.database_up.set(state.readiness.database_answers().into());
    metrics.snapshot_up_to_date.set(up_to_date.into());
    metrics
        .queue_length
        .set(count(state.orders.writer.queue_length()));
    let usage = state.pool.usage();
    for (label, connections) in [
        ("used", usage.open.saturating_sub(usage.idle)),
        ("idle", usage.idle),
        ("waiting", usage.waiting),
        ("max", usage.most),
    ] {
        metrics.pool.with_label_values(&[label]).set(count(connections));
    }
    state.reads.collect();
    let Some(snapshot) = state.snapshots.any() else {
        return;
    };
    metrics.products.set(count(snapshot.catalogue.len()));
    for (table, rows) in snapshot.tables.skipped() {
        let skipped = metrics.snapshot_rows_skipped.with_label_values(&[table]);
        skipped.set(count(rows));
    }
    let seconds_since = |instant: DateTime<Utc>| (snapshot.now() - instant).as_seconds_f64().max(0.0);
    let set = |gauges: &IntGaugeVec, labels: &[&str], value: Option<i64>| {
        if let Some(value) = value {
            gauges.with_label_values(labels).set(value);
        }
    };
    let set_seconds = |gauges: &GaugeVec, labels: &[&str], seconds: Option<f64>| {
        if let Some(seconds) = seconds {
            gauges.with_label_values(labels).set(seconds);
        }
    };
    let changed = snapshot.published_at.map(seconds_since);
    set_seconds(&metrics.dataset_changed, NO_LABEL, changed);
    let ahead = snapshot.partitions_ahead.map(i64::from);
    set(&metrics.partitions_ahead, NO_LABEL, ahead);
    for run in snapshot.runs.iter() {
        let labels = &[run.task.as_str(), run.trigger.as_str()];
        let running = run.running_since.map_or(0.0, seconds_since);
        set(&metrics.run_success, labels, run.succeeded.map(i64::from));
        set_seconds(&metrics.run_duration, labels, run.duration_s);
        set_seconds(&metrics.run_age, labels, run.ended_at.map(seconds_since));
        set_seconds(&metrics.run_running, labels, Some(running));
        set(
            &metrics.run_failures,
            labels,
            Some(run.consecutive_failures.into()),
        );
        set(&metrics.run_lost, labels, Some(run.lost.into()));
    }
    let loads = snapshot.runs.iter().filter(|run| run.task == "database-load");
    let checked = loads.filter_map(|run| run.succeeded_at).max();
    set_seconds(&metrics.dataset_age, NO_LABEL, checked.map(seconds_since));
}
