//! GET /api/order/{orderId}/events.

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::{HttpRequest, HttpResponse, web};
use utoipa::IntoParams;
use uuid::Uuid;

use super::handlers::{READ, order_id, own};
use super::states::present_states;
use crate::http::{ApiError, ErrorBody};
use crate::live::{Change, EVENT_STREAM, Stream};
use crate::reference_data::ApiKeyId;
use crate::state::AppState;

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes the header; `last_event_id` reads it")]
pub(crate) struct EventsHeaders {
    /// The `id` of the last event that the client has: only what follows is sent
    #[param(rename = "Last-Event-ID", value_type = String, required = false, example = "2")]
    last_event_id: Option<String>,
}

/// The states of an order as they come: the present one first, then each change within a second,
/// until a final state. A comment comes every 15 s. The stream also ends when the server restarts;
/// a client that comes back with `Last-Event-ID` misses nothing.
#[utoipa::path(
    get, path = "/api/order/{orderId}/events", tag = "order", operation_id = "followOrder",
    params(("orderId" = Uuid, Path, description = "The order's id",
        example = "019a2f3c-5d80-7b1e-9c44-2f608f0d3a11"), EventsHeaders),
    security(
        ("api_key" = ["read_orders"]), ("X-API-Key" = ["read_orders"]),
        ("api_key" = ["read_all_orders"]), ("X-API-Key" = ["read_all_orders"]),
    ),
    responses(
        (status = 200, description = "Server-sent events named `status`: `id` is the version, `data` an OrderEvent",
            body = Change, content_type = "text/event-stream"),
        (status = 204, description = "The client has the final state: nothing follows"),
        (status = 400, description = "Not an order id", body = ErrorBody,
            example = json!(ApiError::malformed("invalid_order_id", "an order id is a UUID").example())),
        (status = 401, description = "No API key", body = ErrorBody),
        (status = 403, description = "The key is not valid or may not read orders", body = ErrorBody),
        (status = 404, description = "The key may see no such order", body = ErrorBody,
            example = json!(ApiError::NotFound("order").example())),
        (status = 421, description = "Not here, but the order may be in another cell: `cell`. Only where cells are set up", body = ErrorBody),
        (status = 503, description = "The database cannot be reached, or EVENT_STREAMS are open", body = ErrorBody, examples(
            ("unavailable" = (value = json!(ApiError::Unavailable.example()))),
            ("too_many_streams" = (value = json!(ApiError::TooManyStreams.example()))),
        )),
    )
)]
pub(crate) async fn follow_order(
    request: HttpRequest,
    id: web::Path<String>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let caller = state.authenticator.authorize(&request, &READ)?;
    let id = order_id(&id)?;
    let (authenticator, hash) = (state.authenticator.clone(), caller.hash);
    let allowed = move || authenticator.still_allows(&hash, &READ);
    follow(&request, &state, id, own(&caller), allowed).await
}

/// The events of an order of the key `key` (`None`: of any), as long as `allowed` says.
pub(crate) async fn follow(
    request: &HttpRequest,
    state: &AppState,
    id: Uuid,
    key: Option<ApiKeyId>,
    allowed: impl Fn() -> bool + 'static,
) -> Result<HttpResponse, ApiError> {
    // Before the first read: a change after it is not missed.
    let (place, watch) = (state.streams.place()?, state.live.watch(id));
    let present = state
        .read("SELECT order_states", async |connection| {
            present_states(connection, &[id], key).await
        })
        .await?
        .pop()
        .ok_or_else(|| state.cells.missing(id))?;
    if request.method() == Method::HEAD {
        return Ok(HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, EVENT_STREAM))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .finish());
    }
    let stream = Stream {
        streams: state.streams.clone(),
        _place: place,
        watch,
        present,
        seen: last_event_id(request.headers()),
        allowed,
        render: |change: &Change| serde_json::to_string(change).unwrap_or_default(),
    };
    Ok(stream.respond())
}

/// The version that the client has; `None` where the header is absent or no version.
fn last_event_id(headers: &HeaderMap) -> Option<i32> {
    let sent = headers.get(HeaderName::from_static("last-event-id"))?;
    sent.to_str().ok()?.trim().parse().ok()
}
