use std::sync::Arc;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, Resource, web};
use shop::Scope;
use tracing::error;
use utoipa::IntoParams;
use uuid::Uuid;

use super::place::{PlaceError, Placed, place};
use super::request::{OrderRequest, OrderRequestSchema};
use super::{Claim, IdempotencyKey, NotStored, Order, OrderAnswer, Unredeemable, queries};
use crate::application::Shop;
use crate::auth::{Caller, authorize};
use crate::coupons::CouponError;
use crate::http::representation::{JSON, Representation};
use crate::http::{ApiError, ErrorBody, body, resource};
use crate::paging;
use crate::spans;
use shop::Refusal;

/// Where orders are placed and listed.
pub(crate) fn collection() -> Resource {
    resource::get_and_post("/order", list_orders, place_order)
}

/// Where each order is served.
pub(crate) fn member() -> Resource {
    resource::get("/order/{orderId}", get_order)
}

const DEFAULT_LIMIT: usize = 20;
const READ: [Scope; 2] = [Scope::ReadOrders, Scope::ReadAllOrders];

/// Places an order. The answer comes once the order is on disk.
#[utoipa::path(
    post, path = "/api/order", tag = "order", operation_id = "placeOrder", request_body = OrderRequestSchema,
    security(("api_key" = ["create_order"]), ("X-API-Key" = ["create_order"])),
    responses(
        (status = 200, description = "The order is stored", body = OrderAnswer),
        (status = 400, description = "The body is not JSON or has a value of the wrong type", body = ErrorBody),
        (status = 401, description = "No API key", body = ErrorBody),
        (status = 403, description = "The key is not valid or may not place orders", body = ErrorBody),
        (status = 409, description = "A request with this Idempotency-Key is still under way", body = ErrorBody),
        (status = 408, description = "The body did not arrive in time", body = ErrorBody),
        (status = 413, description = "The body is larger than 1 MiB", body = ErrorBody),
        (status = 415, description = "The body is not application/json", body = ErrorBody),
        (status = 422, description = "A rule of the shop says no", body = ErrorBody),
        (status = 503, description = "unavailable: not stored, try again; outcome_unknown: may be stored", body = ErrorBody),
    )
)]
pub(crate) async fn place_order(
    request: HttpRequest,
    payload: web::Payload,
    shop: web::Data<Shop>,
) -> Result<HttpResponse, ApiError> {
    let caller = authorize(&request, &shop, &[Scope::CreateOrder])?;
    let body = body::read_json(&request, payload, shop.body_timeout).await?;
    let idempotency_key = IdempotencyKey::of(request.headers())?;
    let claim = idempotency_key.map(|key| Arc::new(Claim::new(caller.key, key, &body)));
    let order_request = OrderRequest::parse(&body)?;
    match place(&shop, &caller.snapshot, caller.key, order_request, claim).await {
        Ok(placed) => Ok(accepted(&shop, placed)),
        Err(refusal) => {
            let answer = ApiError::from(refusal);
            shop.metrics.refused(answer.kind());
            Err(answer)
        }
    }
}

fn accepted(shop: &Shop, placed: Placed) -> HttpResponse {
    let answer = match placed {
        Placed::Now(answer, totals) => {
            shop.metrics.placed(&totals);
            answer
        }
        Placed::Earlier(answer) => {
            shop.metrics.answered_again();
            answer
        }
    };
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, JSON))
        .body(answer)
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
        (status = 200, description = "The order, as it was answered when it was placed", body = OrderAnswer),
        (status = 304, description = "The client's copy is still good"),
        (status = 400, description = "Not an order id", body = ErrorBody),
        (status = 401, description = "No API key", body = ErrorBody),
        (status = 403, description = "The key is not valid or may not read orders", body = ErrorBody),
        (status = 404, description = "The key may see no such order", body = ErrorBody),
        (status = 503, description = "The database cannot be reached", body = ErrorBody),
    )
)]
pub(crate) async fn get_order(
    request: HttpRequest,
    id: web::Path<String>,
    shop: web::Data<Shop>,
) -> Result<HttpResponse, ApiError> {
    let caller = authorize(&request, &shop, &READ)?;
    let id = parse_id(&id).ok_or_else(|| ApiError::malformed("invalid_order_id", "an order id is a UUID"))?;
    let order = shop
        .ask("SELECT orders", async |connection| {
            queries::order(connection, id, own(&caller)).await
        })
        .await?;
    let order = order.ok_or(ApiError::NotFound("order"))?;
    Ok(Representation::private(json(&order)?).respond(&request))
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters; they are read one by one")]
pub(crate) struct ListParameters {
    /// At most this many orders.
    #[param(required = false, minimum = 1, maximum = 100, default = 20)]
    limit: Option<u8>,
    /// Where to go on: taken from the `Link` header of the page before.
    #[param(required = false)]
    cursor: Option<String>,
}

/// The orders that the key may see, newest first.
#[utoipa::path(
    get, path = "/api/order", tag = "order", operation_id = "listOrders", params(ListParameters),
    security(
        ("api_key" = ["read_orders"]), ("X-API-Key" = ["read_orders"]),
        ("api_key" = ["read_all_orders"]), ("X-API-Key" = ["read_all_orders"]),
    ),
    responses(
        (status = 200, description = "The orders", body = [OrderAnswer]),
        (status = 304, description = "The client's copy is still good"),
        (status = 400, description = "A parameter cannot be used", body = ErrorBody),
        (status = 401, description = "No API key", body = ErrorBody),
        (status = 403, description = "The key is not valid or may not read orders", body = ErrorBody),
        (status = 503, description = "The database cannot be reached", body = ErrorBody),
    )
)]
pub(crate) async fn list_orders(
    request: HttpRequest,
    shop: web::Data<Shop>,
) -> Result<HttpResponse, ApiError> {
    let caller = authorize(&request, &shop, &READ)?;
    let parameters = paging::Parameters::parse(request.query_string())?;
    let limit = parameters.limit()?.unwrap_or(DEFAULT_LIMIT);
    let before = parameters.cursor(parse_id)?;
    // One more than asked for tells whether a next page exists.
    let most = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let find =
        async |connection: &mut _| queries::orders_before(connection, before, most, own(&caller)).await;
    let mut orders = shop.ask("SELECT orders", find).await?;
    let more = orders.len() > limit;
    orders.truncate(limit);
    let answers: Vec<OrderAnswer<'_>> = orders.iter().map(OrderAnswer::of).collect();
    let mut response = Representation::private(to_json(&answers)?).respond(&request);
    if let (true, Some(last)) = (more, orders.last()) {
        let link = paging::next_link(&format!("/api/order?limit={limit}&cursor={}", last.id));
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// Only the hyphenated form: an order has one address.
fn parse_id(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok().filter(|_| text.len() == 36)
}

/// The key to whose orders the caller is confined.
fn own(caller: &Caller) -> Option<Uuid> {
    (!caller.scopes.contains(Scope::ReadAllOrders)).then_some(caller.key)
}

fn json(order: &Order) -> Result<Vec<u8>, ApiError> {
    to_json(&OrderAnswer::of(order))
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, ApiError> {
    serde_json::to_vec(value).map_err(|problem| {
        error!(error = %problem, "an answer cannot be written as JSON");
        ApiError::Internal
    })
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
