//! GET /metrics.

use actix_web::HttpResponse;
use actix_web::web;
use chrono::{DateTime, Utc};
use prometheus::{Encoder, Registry, TextEncoder};

use super::NO_LABEL;
use crate::http::{ApiError, ErrorBody};
use crate::reference_data::Table;
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
    metrics.database_up.set(state.readiness.database_answers().into());
    metrics
        .snapshot_up_to_date
        .set(state.readiness.is_up_to_date().into());
    metrics
        .queue_length
        .set(i64::try_from(state.orders.writer.queue_length()).unwrap_or(i64::MAX));
    let usage = state.pool.usage();
    for (label, count) in [
        ("used", usage.open.saturating_sub(usage.idle)),
        ("idle", usage.idle),
        ("waiting", usage.waiting),
        ("max", usage.most),
    ] {
        metrics
            .pool
            .with_label_values(&[label])
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }
    state.reads.collect();
    let Some(snapshot) = state.snapshots.any() else {
        return;
    };
    metrics
        .products
        .set(i64::try_from(snapshot.catalogue.len()).unwrap_or(i64::MAX));
    for table in Table::INTERPRETED {
        let skipped = i64::try_from(snapshot.skipped_rows(table)).unwrap_or(i64::MAX);
        metrics
            .snapshot_rows_skipped
            .with_label_values(&[table.name()])
            .set(skipped);
    }
    let seconds_since = |instant: DateTime<Utc>| (snapshot.now() - instant).as_seconds_f64().max(0.0);
    if let Some(at) = snapshot.published_at {
        metrics
            .dataset_changed
            .with_label_values(NO_LABEL)
            .set(seconds_since(at));
    }
    if let Some(ahead) = snapshot.partitions_ahead {
        metrics
            .partitions_ahead
            .with_label_values(NO_LABEL)
            .set(ahead.into());
    }
    for run in snapshot.runs.iter() {
        let labels = &[run.task.as_str(), run.trigger.as_str()];
        if let Some(succeeded) = run.succeeded {
            metrics
                .run_success
                .with_label_values(labels)
                .set(succeeded.into());
        }
        if let Some(duration_s) = run.duration_s {
            metrics.run_duration.with_label_values(labels).set(duration_s);
        }
        if let Some(at) = run.ended_at {
            metrics.run_age.with_label_values(labels).set(seconds_since(at));
        }
        metrics
            .run_running
            .with_label_values(labels)
            .set(run.running_since.map_or(0.0, seconds_since));
        metrics
            .run_failures
            .with_label_values(labels)
            .set(run.consecutive_failures.into());
        metrics.run_lost.with_label_values(labels).set(run.lost.into());
    }
    let loads = snapshot.runs.iter().filter(|run| run.task == "database-load");
    if let Some(at) = loads.filter_map(|run| run.succeeded_at).max() {
        metrics
            .dataset_age
            .with_label_values(NO_LABEL)
            .set(seconds_since(at));
    }
}
