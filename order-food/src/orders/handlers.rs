//! POST /api/order, GET /api/order/{orderId}.

use std::sync::Arc;

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use serde::Deserialize;
use shop::Scope;
use utoipa::IntoParams;
use uuid::Uuid;

use super::answer::EXAMPLE_ID;
use super::place::{PlaceError, Placed, place};
use super::request::OrderRequest;
use super::{IdempotencyClaim, IdempotencyKey, NotStored, Order, OrderAnswer, Unredeemable};
use crate::auth::Caller;
use crate::coupons::CouponError;
use crate::http::representation::{JSON, Representation};
use crate::http::{ApiError, ErrorBody, body, to_json};
use crate::spans;
use crate::state::AppState;
use shop::Refusal;

pub(super) const READ: [Scope; 2] = [Scope::ReadOrders, Scope::ReadAllOrders];

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes the header; `IdempotencyKey` reads it")]
pub(crate) struct PlaceHeaders {
    /// Names the request, 1 to 255 printable ASCII characters. For 24 hours the same key with the
    /// same body is answered with the bytes of its first 200 and places no other order. Each API
    /// key has keys of its own
    #[param(
        rename = "Idempotency-Key",
        value_type = String,
        required = false,
        min_length = 1,
        max_length = 255,
        pattern = "^[ -~]+$",
        example = "1f0c2a1e-6f0f-4f43-9e0e-6a2f1f3c9d10"
    )]
    idempotency_key: Option<String>,
}

/// Places an order. The answer comes once the order is on disk.
#[utoipa::path(
    post, path = "/api/order", tag = "order", operation_id = "placeOrder",
    request_body(content = OrderRequest, example = json!(OrderRequest::example())), params(PlaceHeaders),
    security(("api_key" = ["create_order"]), ("X-API-Key" = ["create_order"])),
    responses(
        (status = 200, description = "The order is stored", body = OrderAnswer,
            example = json!(OrderAnswer::example())),
        (status = 400, description = "The body is not JSON or has a value of the wrong type", body = ErrorBody, examples(
            ("malformed_json" = (value = json!(ApiError::malformed("malformed_json",
                "the request body cannot be read: EOF while parsing an object at line 1 column 1").example()))),
            ("wrong_type" = (value = json!(ApiError::malformed("wrong_type",
                "the request body cannot be read: items[0].quantity: expected a whole number, not \"2\" at line 1 column 42")
                .example()))),
        )),
        (status = 401, description = "No API key", body = ErrorBody),
        (status = 403, description = "The key is not valid or may not place orders", body = ErrorBody),
        (status = 409, description = "A request with this Idempotency-Key is still in progress", body = ErrorBody),
        (status = 408, description = "The body did not arrive in time", body = ErrorBody),
        (status = 413, description = "The body is larger than 1 MiB", body = ErrorBody),
        (status = 415, description = "The body is not application/json", body = ErrorBody),
        (status = 422, description = "A rule of the shop says no", body = ErrorBody, examples(
            ("unknown_product" = (value = json!(ApiError::from(
                PlaceError::UnknownProducts(vec!["42".into(), "77".into()])).example()))),
            ("coupon_unknown" = (value = json!(ApiError::from(PlaceError::Coupon(CouponError::Unknown)).example()))),
            ("idempotency_key_reused" = (value = json!(ApiError::from(
                PlaceError::NotStored(NotStored::KeyReused)).example()))),
            ("quantity_out_of_range" = (value = json!(ApiError::Rejected {
                kind: "quantity_out_of_range",
                message: "the quantity of product 1 is outside 1 to 1000".into(),
                product_ids: Vec::new(),
            }.example()))),
        )),
        (status = 503, description = "unavailable: not stored, try again; outcome_unknown: may be stored", body = ErrorBody, examples(
            ("unavailable" = (value = json!(ApiError::Unavailable.example()))),
            ("outcome_unknown" = (value = json!(ApiError::OutcomeUnknown(EXAMPLE_ID).example()))),
        )),
    )
)]
pub(crate) async fn place_order(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let caller = state.authenticator.authorize(&request, &[Scope::CreateOrder])?;
    let body = body::read_json(&request, payload, state.body_timeout).await?;
    let idempotency_key = IdempotencyKey::of(request.headers())?;
    let claim = idempotency_key.map(|key| Arc::new(IdempotencyClaim::new(caller.key, key, &body)));
    let order_request = OrderRequest::parse(&body)?;
    match place(&state, &caller.snapshot, caller.key, order_request, claim, None).await {
        Ok(placed) => Ok(accepted(&state, placed)),
        Err(refusal) => {
            let answer = ApiError::from(refusal);
            state.metrics.refused(answer.kind());
            Err(answer)
        }
    }
}

fn accepted(state: &AppState, placed: Placed) -> HttpResponse {
    let (id, answer) = match placed {
        Placed::Now(id, answer, totals) => {
            state.metrics.placed(&totals);
            (Some(id), answer)
        }
        Placed::Replayed(answer) => {
            state.metrics.answered_again();
            (id_of(&answer), answer)
        }
    };
    let mut response = HttpResponse::Ok();
    if let Some(id) = id {
        response.insert_header((header::LINK, status_link(id)));
    }
    response.insert_header((header::CONTENT_TYPE, JSON)).body(answer)
}

/// The id in a stored answer.
fn id_of(answer: &[u8]) -> Option<Uuid> {
    #[derive(Deserialize)]
    struct Answer {
        id: Uuid,
    }
    serde_json::from_slice(answer).ok().map(|Answer { id }| id)
}

/// One order.
#[utoipa::path(
    get, path = "/api/order/{orderId}", tag = "order", operation_id = "getOrder",
    params(("orderId" = Uuid, Path, description = "The order's id",
        example = "019a2f3c-5d80-7b1e-9c44-2f608f0d3a11")),
    security(
        ("api_key" = ["read_orders"]), ("X-API-Key" = ["read_orders"]),
        ("api_key" = ["read_all_orders"]), ("X-API-Key" = ["read_all_orders"]),
    ),
    responses(
        (status = 200, description = "The order, as it was answered when it was placed", body = OrderAnswer,
            example = json!(OrderAnswer::example())),
        (status = 304, description = "The client's copy is still good"),
        (status = 400, description = "Not an order id", body = ErrorBody,
            example = json!(ApiError::malformed("invalid_order_id", "an order id is a UUID").example())),
        (status = 401, description = "No API key", body = ErrorBody),
        (status = 403, description = "The key is not valid or may not read orders", body = ErrorBody),
        (status = 404, description = "The key may see no such order", body = ErrorBody,
            example = json!(ApiError::NotFound("order").example())),
        (status = 421, description = "Not here, but the order may be in another cell: `cell`. Only where cells are set up", body = ErrorBody),
        (status = 503, description = "The database cannot be reached", body = ErrorBody),
    )
)]
pub(crate) async fn get_order(
    request: HttpRequest,
    id: web::Path<String>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let caller = state.authenticator.authorize(&request, &READ)?;
    let id = order_id(&id)?;
    let order = state.reads.order(id).await?;
    let is_visible = |order: &Arc<Order>| own(&caller).is_none_or(|key| key == order.api_key);
    let order = order.filter(is_visible).ok_or_else(|| state.cells.missing(id))?;
    let answer = to_json(&OrderAnswer::of(&order))?;
    let mut response = Representation::private(answer).respond(&request);
    response.headers_mut().insert(header::LINK, status_link(id));
    Ok(response)
}

/// Where the status of an order is, RFC 8631.
fn status_link(id: Uuid) -> HeaderValue {
    let link = format!("</api/order/{id}/status>; rel=\"status\"");
    HeaderValue::from_maybe_shared(Bytes::from(link)).unwrap_or(HeaderValue::from_static(""))
}

/// The id in a path.
///
/// # Errors
/// 400 for every other text.
pub(super) fn order_id(text: &str) -> Result<Uuid, ApiError> {
    parse_id(text).ok_or_else(|| ApiError::malformed("invalid_order_id", "an order id is a UUID"))
}

/// Only the hyphenated form: an order has one address.
pub(super) fn parse_id(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok().filter(|_| text.len() == 36)
}

/// The key that limits the orders that the caller sees.
pub(super) fn own(caller: &Caller) -> Option<Uuid> {
    (!caller.scopes.contains(Scope::ReadAllOrders)).then_some(caller.key)
}

impl From<PlaceError> for ApiError {
    fn from(refusal: PlaceError) -> ApiError {
        let kind = match &refusal {
            PlaceError::NoItems => "items_required",
            PlaceError::TooManyLines => "too_many_items",
            PlaceError::MissingField { .. } => "field_required",
            PlaceError::QuantityOutOfRange(_) => "quantity_out_of_range",
            PlaceError::UnknownProducts(_) => "unknown_product",
            PlaceError::TooLarge(_) => "order_too_large",
            PlaceError::NotACouponCode(_) => "coupon_invalid",
            PlaceError::Coupon(CouponError::Unknown)
            | PlaceError::NotStored(NotStored::Unredeemable(Unredeemable::Unknown)) => "coupon_unknown",
            PlaceError::Coupon(CouponError::Refused(Refusal::NotStarted)) => "coupon_not_started",
            PlaceError::Coupon(CouponError::Refused(Refusal::Expired)) => "coupon_expired",
            PlaceError::Coupon(CouponError::Refused(Refusal::TooFewItems { .. })) => "coupon_too_few_items",
            PlaceError::NotStored(NotStored::Unredeemable(Unredeemable::SoldOut)) => "coupon_sold_out",
            PlaceError::NotAsShown => "not_as_shown",
            PlaceError::NotStored(NotStored::KeyReused) => "idempotency_key_reused",
            PlaceError::NotStored(NotStored::KeyInUse) => return ApiError::KeyInUse,
            PlaceError::NotStored(NotStored::Unknown { id, .. }) => {
                spans::failed(&refusal, "whether an order was stored is not known");
                return ApiError::OutcomeUnknown(*id);
            }
            PlaceError::NotStored(NotStored::Unavailable(_)) => {
                spans::failed(&refusal, "an order could not be stored");
                return ApiError::Unavailable;
            }
            PlaceError::NotStored(NotStored::Refused(_)) | PlaceError::Unwritable(_) => {
                spans::failed(&refusal, "an order was refused by what should take it");
                return ApiError::Internal;
            }
        };
        let message = refusal.to_string();
        let product_ids = if let PlaceError::UnknownProducts(ids) = refusal {
            ids
        } else {
            Vec::new()
        };
        ApiError::Rejected {
            kind,
            message,
            product_ids,
        }
    }
}
