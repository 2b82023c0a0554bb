//! Answers as JSON.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header;
use serde::Serialize;
use tracing::error;

use super::ApiError;
use super::representation::JSON;

/// The bytes of an answer.
///
/// # Errors
/// 500: the cause is logged here.
pub(crate) fn to_json<T: Serialize>(answer: &T) -> Result<Vec<u8>, ApiError> {
    serde_json::to_vec(answer).map_err(|problem| {
        error!(error = %problem, "an answer cannot be written as JSON");
        ApiError::Internal
    })
}

/// An answer that is never the same again: no cache keeps it.
///
/// # Errors
/// As [`to_json`].
pub(crate) fn uncached<T: Serialize>(status: StatusCode, answer: &T) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, JSON))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(to_json(answer)?))
}
