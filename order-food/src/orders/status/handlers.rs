//! GET and PUT /api/order/{orderId}/status, POST /api/order/{orderId}/cancel.

use actix_web::{HttpRequest, HttpResponse, web};
use diesel_async::AsyncPgConnection;
use shop::{Actor, OrderStatus, Scope};
use utoipa::IntoParams;
use uuid::Uuid;

use super::answer::StatusAnswer;
use super::request::{CancelRequestSchema, Sent, StatusRequest, versions};
use super::{NotChanged, StatusChange, queries};
use crate::auth::Caller;
use crate::http::{ApiError, ErrorBody, body};
use crate::orders::Cells;
use crate::orders::answer::EXAMPLE_ID;
use crate::orders::handlers::{READ, order_id, own};
use crate::spans;
use crate::state::AppState;

/// What changes an order: staff any order, the key that placed it its own.
const CHANGE: [Scope; 2] = [Scope::ManageOrders, Scope::CreateOrder];

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes the header; `versions` reads it")]
pub(crate) struct ChangeHeaders {
    /// Entity tags of the versions that may be changed; any version without it
    #[param(rename = "If-Match", value_type = String, required = false, example = "\"1\"")]
    if_match: Option<String>,
}

/// The status of an order, with the way that it took.
#[utoipa::path(
    get, path = "/api/order/{orderId}/status", tag = "order", operation_id = "getOrderStatus",
    params(("orderId" = Uuid, Path, description = "The order's id", example = "019a2f3c-5d80-7b1e-9c44-2f608f0d3a11")),
    security(
        ("api_key" = ["read_orders"]), ("X-API-Key" = ["read_orders"]),
        ("api_key" = ["read_all_orders"]), ("X-API-Key" = ["read_all_orders"]),
    ),
    responses(
        (status = 200, description = "The status; the ETag is its version in quotes", body = StatusAnswer,
            example = json!(StatusAnswer::example())),
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
pub(crate) async fn get_status(
    request: HttpRequest,
    id: web::Path<String>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let caller = state.authenticator.authorize(&request, &READ)?;
    let id = order_id(&id)?;
    let read = async |connection: &mut AsyncPgConnection| {
        let Some(state) = queries::state(connection, id, own(&caller)).await? else {
            return Ok(None);
        };
        let history = queries::history(connection, &state).await?;
        Ok(Some(StatusAnswer::of(&state, history)))
    };
    let answer = state.read("SELECT order_states", read).await?;
    answer.ok_or_else(|| state.cells.missing(id))?.respond(&request)
}

/// Changes the status of an order, or the time at which it is expected to be ready.
///
/// The status that it has already is answered with 200, and nothing is changed.
#[utoipa::path(
    put, path = "/api/order/{orderId}/status", tag = "order", operation_id = "putOrderStatus",
    params(("orderId" = Uuid, Path, description = "The order's id", example = "019a2f3c-5d80-7b1e-9c44-2f608f0d3a11"), ChangeHeaders),
    request_body(content = Sent, example = json!({"status": "accepted", "readyInMinutes": 20})),
    security(
        ("api_key" = ["manage_orders"]), ("X-API-Key" = ["manage_orders"]),
        ("api_key" = ["create_order"]), ("X-API-Key" = ["create_order"]),
    ),
    responses(
        (status = 200, description = "The order has the status", body = StatusAnswer, example = json!(StatusAnswer::example())),
        (status = 400, description = "The id, the body or If-Match cannot be read", body = ErrorBody,
            example = json!(ApiError::malformed("invalid_order_id", "an order id is a UUID").example())),
        (status = 401, description = "No API key", body = ErrorBody),
        (status = 403, description = "The key is not valid or may not bring orders into this status", body = ErrorBody),
        (status = 404, description = "The key may change no such order", body = ErrorBody,
            example = json!(ApiError::NotFound("order").example())),
        (status = 408, description = "The body did not arrive in time", body = ErrorBody),
        (status = 409, description = "The order's status does not allow it", body = ErrorBody,
            example = json!(not_allowed_example())),
        (status = 412, description = "The order has another version than those of If-Match", body = ErrorBody,
            example = json!(ApiError::StatusChanged(3).example())),
        (status = 413, description = "The body is larger than 1 MiB", body = ErrorBody),
        (status = 415, description = "The body is not application/json", body = ErrorBody),
        (status = 421, description = "Not here, but the order may be in another cell: `cell`. Only where cells are set up", body = ErrorBody),
        (status = 422, description = "A rule of the shop says no", body = ErrorBody,
            example = json!(reason_required_example())),
        (status = 503, description = "unavailable: nothing was changed, try again; outcome_unknown: it may be changed, repeat the request",
            body = ErrorBody, examples(
            ("unavailable" = (value = json!(ApiError::Unavailable.example()))),
            ("outcome_unknown" = (value = json!(ApiError::ChangeUnknown(EXAMPLE_ID).example()))),
        )),
    )
)]
pub(crate) async fn put_status(
    request: HttpRequest,
    id: web::Path<String>,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let caller = state.authenticator.authorize(&request, &CHANGE)?;
    let body = body::read_json(&request, payload, state.body_timeout).await?;
    let asked = StatusRequest::parse(&body)?;
    let to = asked
        .status
        .ok_or_else(|| ApiError::rejected("field_required", "the request has no status"))?;
    change(&request, &id, &state, &caller, asked, to).await
}

/// Cancels an order: the key that placed it until it is accepted, staff until it is picked up.
#[utoipa::path(
    post, path = "/api/order/{orderId}/cancel", tag = "order", operation_id = "cancelOrder",
    params(("orderId" = Uuid, Path, description = "The order's id", example = "019a2f3c-5d80-7b1e-9c44-2f608f0d3a11"), ChangeHeaders),
    request_body(content = Option<CancelRequestSchema>, example = json!({"reason": "customer_asked"})),
    security(
        ("api_key" = ["create_order"]), ("X-API-Key" = ["create_order"]),
        ("api_key" = ["manage_orders"]), ("X-API-Key" = ["manage_orders"]),
    ),
    responses(
        (status = 200, description = "The order is cancelled", body = StatusAnswer,
            example = json!(StatusAnswer::cancelled_example())),
        (status = 400, description = "The id, the body or If-Match cannot be read", body = ErrorBody,
            example = json!(ApiError::malformed("invalid_order_id", "an order id is a UUID").example())),
        (status = 401, description = "No API key", body = ErrorBody),
        (status = 403, description = "The key is not valid or may not cancel orders", body = ErrorBody),
        (status = 404, description = "The key may cancel no such order", body = ErrorBody,
            example = json!(ApiError::NotFound("order").example())),
        (status = 408, description = "The body did not arrive in time", body = ErrorBody),
        (status = 409, description = "It is too late for that", body = ErrorBody, example = json!(not_allowed_example())),
        (status = 412, description = "The order has another version than those of If-Match", body = ErrorBody,
            example = json!(ApiError::StatusChanged(3).example())),
        (status = 413, description = "The body is larger than 1 MiB", body = ErrorBody),
        (status = 415, description = "The body is not application/json", body = ErrorBody),
        (status = 421, description = "Not here, but the order may be in another cell: `cell`. Only where cells are set up", body = ErrorBody),
        (status = 422, description = "A rule of the shop says no", body = ErrorBody,
            example = json!(reason_required_example())),
        (status = 503, description = "unavailable: nothing was changed, try again; outcome_unknown: it may be cancelled, repeat the request",
            body = ErrorBody, examples(
            ("unavailable" = (value = json!(ApiError::Unavailable.example()))),
            ("outcome_unknown" = (value = json!(ApiError::ChangeUnknown(EXAMPLE_ID).example()))),
        )),
    )
)]
pub(crate) async fn cancel_order(
    request: HttpRequest,
    id: web::Path<String>,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let caller = state.authenticator.authorize(&request, &CHANGE)?;
    let body = body::read_json(&request, payload, state.body_timeout).await?;
    let asked = match body.is_empty() {
        true => StatusRequest::default(),
        false => StatusRequest::parse(&body)?,
    };
    change(&request, &id, &state, &caller, asked, OrderStatus::Cancelled).await
}

async fn change(
    request: &HttpRequest,
    id: &str,
    state: &AppState,
    caller: &Caller,
    asked: StatusRequest,
    to: OrderStatus,
) -> Result<HttpResponse, ApiError> {
    let order = order_id(id)?;
    let versions = versions(request.headers())?;
    let is_staff = caller.scopes.contains(Scope::ManageOrders);
    let change = StatusChange {
        order,
        to,
        actor: if is_staff { Actor::Staff } else { Actor::Customer },
        key: caller.key,
        via: is_staff.then_some("api"),
        ready_in: asked.ready_in,
        reason: asked.reason,
        note: asked.note.filter(|_| is_staff),
        versions,
    };
    let changed = state.changes.make(change).await;
    let changed = changed.map_err(|problem| answer_to(problem, order, &state.cells))?;
    let history = match changed.history {
        Some(history) => history,
        None => {
            let read =
                async |connection: &mut AsyncPgConnection| queries::history(connection, &changed.state).await;
            state.read("SELECT order_events", read).await?
        }
    };
    StatusAnswer::of(&changed.state, history).respond_changed(request)
}

/// What a client is told of a change that was not made.
fn answer_to(problem: NotChanged, order: Uuid, cells: &Cells) -> ApiError {
    match problem {
        NotChanged::NotFound => cells.missing(order),
        NotChanged::NotPermitted => ApiError::Forbidden("the API key may not do this"),
        NotChanged::NotAllowed { status, to, allowed } => {
            ApiError::TransitionNotAllowed { status, to, allowed }
        }
        NotChanged::OtherVersion { version } => ApiError::StatusChanged(version),
        NotChanged::ReasonRequired { .. } => ApiError::rejected("reason_required", problem),
        NotChanged::ReasonNotAllowed => ApiError::rejected("reason_not_allowed", problem),
        NotChanged::TimeNotAllowed => ApiError::rejected("ready_in_minutes_not_allowed", problem),
        NotChanged::Unavailable(_) => {
            spans::failed(&problem, "the status of an order could not be changed");
            ApiError::Unavailable
        }
        NotChanged::Unknown(_) => {
            spans::failed(
                &problem,
                "whether the status of an order was changed is not known",
            );
            ApiError::ChangeUnknown(order)
        }
    }
}

fn not_allowed_example() -> serde_json::Value {
    let problem = NotChanged::NotAllowed {
        status: OrderStatus::Preparing,
        to: OrderStatus::PickedUp,
        allowed: shop::order_status::allowed(OrderStatus::Preparing, Actor::Staff).collect(),
    };
    answer_to(problem, EXAMPLE_ID, &Cells::default()).example()
}

fn reason_required_example() -> serde_json::Value {
    let problem = NotChanged::ReasonRequired {
        status: OrderStatus::Accepted,
        to: OrderStatus::Cancelled,
    };
    answer_to(problem, EXAMPLE_ID, &Cells::default()).example()
}
