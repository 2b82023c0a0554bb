//! What Prometheus may ask. Labels hold route templates and known names only, so that their number is bounded.

mod http;
mod shop;

use actix_web::HttpResponse;
use actix_web::web;
use prometheus::{Encoder, Registry, TextEncoder};

use crate::application::Shop;
use crate::http::{ApiError, ErrorBody};
pub(crate) use http::{HttpMetrics, ResourceSeries};
pub(crate) use shop::ShopMetrics;

/// The metrics in Prometheus' text format. Absent when switched off.
#[utoipa::path(
    get, path = "/metrics", tag = "operations", operation_id = "metrics",
    responses(
        (status = 200, description = "The metrics", body = String, content_type = "text/plain"),
        (status = 404, description = "Metrics are switched off", body = ErrorBody),
    )
)]
pub(crate) async fn metrics(
    shop: web::Data<Shop>,
    registry: web::Data<Registry>,
) -> Result<HttpResponse, ApiError> {
    shop.metrics.look(&shop);
    let mut text = Vec::new();
    let encoder = TextEncoder::new();
    encoder.encode(&registry.gather(), &mut text).map_err(|problem| {
        tracing::error!(error = %problem, "the metrics cannot be written");
        ApiError::Internal
    })?;
    Ok(HttpResponse::Ok().content_type(encoder.format_type()).body(text))
}
