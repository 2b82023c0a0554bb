//! Request bodies: type, size and time limit.

use std::time::Duration;

use actix_web::error::PayloadError;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use super::ApiError;

/// The largest request body, in bytes.
pub(crate) const LIMIT: usize = 1024 * 1024;

/// Reads a JSON body whole: checks type (415), size (413) and arrival within `timeout` (408).
pub(crate) async fn read_json(
    request: &HttpRequest,
    payload: web::Payload,
    timeout: Duration,
) -> Result<Bytes, ApiError> {
    if !is_json(request.headers(), is_empty(request.headers())) {
        return Err(ApiError::NotJson);
    }
    read(request, payload, timeout).await
}

/// Reads the body of a form whole, as [`read_json`] does.
pub(crate) async fn read_form(
    request: &HttpRequest,
    payload: web::Payload,
    timeout: Duration,
) -> Result<Bytes, ApiError> {
    if !is_form(request.headers(), is_empty(request.headers())) {
        return Err(ApiError::NotForm);
    }
    read(request, payload, timeout).await
}

async fn read(request: &HttpRequest, payload: web::Payload, timeout: Duration) -> Result<Bytes, ApiError> {
    let length = content_length(request.headers());
    if length.is_some_and(|length| length > LIMIT) {
        return Err(ApiError::BodyTooLarge);
    }
    if is_empty(request.headers()) {
        return Ok(Bytes::new());
    }
    tokio::time::timeout(timeout, collect(payload, length))
        .await
        .map_err(|_| ApiError::BodyTimeout)?
}

fn is_empty(headers: &HeaderMap) -> bool {
    content_length(headers).unwrap_or(0) == 0 && !headers.contains_key(header::TRANSFER_ENCODING)
}

async fn collect(mut payload: web::Payload, length: Option<usize>) -> Result<Bytes, ApiError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(incomplete)?;
        // All of it at once, as nearly always.
        if body.is_empty() && Some(chunk.len()) == length {
            return Ok(chunk);
        }
        body.extend_from_slice(&chunk);
        // After a request for another protocol, actix-http takes all further bytes for its body.
        if let Some(length) = length.filter(|length| body.len() >= *length) {
            body.truncate(length);
            break;
        }
        if body.len() > LIMIT {
            return Err(ApiError::BodyTooLarge);
        }
    }
    Ok(body.freeze())
}

fn incomplete(error: PayloadError) -> ApiError {
    match error {
        PayloadError::Overflow => ApiError::BodyTooLarge,
        _ => ApiError::malformed(
            "incomplete_body",
            "the request body ended early or its framing is broken",
        ),
    }
}

fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// `application/json` or `application/…+json`, with any parameters; a body that is not there needs
/// no type.
fn is_json(headers: &HeaderMap, empty: bool) -> bool {
    is_typed(headers, empty, |essence| {
        essence == "application/json" || essence.starts_with("application/") && essence.ends_with("+json")
    })
}

/// What browsers send of a form without files.
fn is_form(headers: &HeaderMap, empty: bool) -> bool {
    is_typed(headers, empty, |essence| {
        essence == "application/x-www-form-urlencoded"
    })
}

fn is_typed(headers: &HeaderMap, empty: bool, accepts: impl FnOnce(&str) -> bool) -> bool {
    let encoded = headers
        .get(header::CONTENT_ENCODING)
        .is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
    let Some(media_type) = headers.get(header::CONTENT_TYPE) else {
        return empty && !encoded;
    };
    let media_type = media_type.to_str().unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    accepts(&essence.to_ascii_lowercase()) && !encoded
}
