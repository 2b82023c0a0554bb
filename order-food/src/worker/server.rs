//! The HTTP server of a worker: probes and metrics.

use actix_web::dev::Server;
use actix_web::http::header;
use actix_web::middleware::{Condition, NormalizePath};
use actix_web::{App, HttpResponse, HttpServer, web};
use actix_web_prom::PrometheusMetricsBuilder;
use process::failure::{ExitCode, Failure, OrExit};
use prometheus::{Encoder, Registry, TextEncoder};
use tracing::info;

use super::health::{Check, Health};
use crate::http::listen;
use crate::settings::Settings;

const ALL: &[Check] = &[Check::Scheduler, Check::Database, Check::Schema];

/// Binds the port and serves `/q/health`, `/q/metrics` and their aliases.
///
/// # Errors
/// Exit code 6 when the port cannot be bound.
pub(super) fn start(settings: &Settings, health: Health, registry: &Registry) -> Result<Server, Failure> {
    let (listener, port) = listen("PORT", (&settings.bind_address, settings.port))?;
    // The prefix keeps the workers' requests apart from the API's: workers_http_requests_total.
    let metrics = PrometheusMetricsBuilder::new("workers")
        .registry(registry.clone())
        .endpoint("/q/metrics")
        .mask_unmatched_patterns("other")
        .build()
        .map_err(anyhow::Error::from_boxed)
        .or_exit(ExitCode::Unexpected, "start")?;
    let enable_metrics = settings.enable_metrics;
    let registry = web::Data::new(registry.clone());
    let health = web::Data::new(health);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(health.clone())
            .app_data(registry.clone())
            .wrap(Condition::new(enable_metrics, metrics.clone()))
            .wrap(NormalizePath::trim())
            .configure(|service| routes(service, enable_metrics))
    })
    .disable_signals()
    .workers(1)
    .shutdown_timeout(2)
    .listen(listener)
    .or_exit(ExitCode::Input, "PORT")?
    .run();
    info!(port, "listening");
    Ok(server)
}

fn routes(service: &mut web::ServiceConfig, enable_metrics: bool) {
    for path in ["/q/health", "/health"] {
        service.route(
            path,
            web::get().to(async |health: web::Data<Health>| answer(&health, ALL, true)),
        );
    }
    for path in ["/q/health/ready", "/ready"] {
        service.route(path, web::get().to(ready));
    }
    service.route("/q/health/live", web::get().to(live));
    service.route("/q/health/started", web::get().to(started));
    if enable_metrics {
        service.route("/metrics", web::get().to(metrics));
    }
}

async fn ready(health: web::Data<Health>) -> HttpResponse {
    answer(&health, &[Check::Database, Check::Schema], !health.is_draining())
}

async fn live(health: web::Data<Health>) -> HttpResponse {
    answer(&health, &[Check::Scheduler], true)
}

async fn started(health: web::Data<Health>) -> HttpResponse {
    answer(&health, &[Check::Database, Check::Schema], true)
}

/// 200 and UP, or 503 and DOWN.
fn answer(health: &Health, checks: &[Check], and: bool) -> HttpResponse {
    let (up, mut report) = health.report(checks);
    let mut response = match up && and {
        true => HttpResponse::Ok(),
        false => HttpResponse::ServiceUnavailable(),
    };
    if !and && let Some(status) = report.get_mut("status") {
        *status = "DOWN".into();
    }
    response
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(report)
}

async fn metrics(registry: web::Data<Registry>) -> HttpResponse {
    let (mut text, encoder) = (Vec::new(), TextEncoder::new());
    match encoder.encode(&registry.gather(), &mut text) {
        Ok(()) => HttpResponse::Ok().content_type(encoder.format_type()).body(text),
        Err(problem) => {
            tracing::error!(error = %problem, "the metrics cannot be written");
            HttpResponse::InternalServerError().finish()
        }
    }
}
