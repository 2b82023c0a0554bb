//! GET /health and GET /ready.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::{ApiError, uncached};
use crate::state::AppState;

/// The process lives.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `healthy`
    status: &'static str,
}

/// Whether requests may be sent here.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ready {
    /// `ready` or `not_ready`
    status: &'static str,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Products in the catalogue.
    #[serde(skip_serializing_if = "Option::is_none")]
    products: Option<usize>,
    /// When the active data were published, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    published_at: Option<String>,
}

/// The process lives.
#[utoipa::path(
    get, path = "/health", tag = "operations", operation_id = "health",
    responses((status = 200, description = "The process lives", body = Health, example = json!({"status": "healthy"})))
)]
pub(crate) async fn health() -> Result<HttpResponse, ApiError> {
    uncached(StatusCode::OK, &Health { status: "healthy" })
}

/// Whether requests may be sent here.
#[utoipa::path(
    get, path = "/ready", tag = "operations", operation_id = "ready",
    responses(
        (status = 200, description = "Requests may be sent here", body = Ready,
            example = json!({"status": "ready", "products": 10, "publishedAt": "2023-11-14T22:13:20+00:00"})),
        (status = 503, description = "They may not, for the reason given", body = Ready,
            example = json!({"status": "not_ready", "reason": "no data version is active yet"})),
    )
)]
pub(crate) async fn ready(state: web::Data<AppState>) -> Result<HttpResponse, ApiError> {
    let snapshot = state.snapshots.get();
    let products = snapshot.as_ref().map(|snapshot| snapshot.catalogue.len());
    let published_at = snapshot
        .and_then(|snapshot| snapshot.published_at)
        .map(|at| at.to_rfc3339());
    let reason = state.readiness.reason();
    let (code, status) = match reason {
        None => (StatusCode::OK, "ready"),
        Some(_) => (StatusCode::SERVICE_UNAVAILABLE, "not_ready"),
    };
    let answer = Ready {
        status,
        reason,
        products,
        published_at,
    };
    uncached(code, &answer)
}
