//! The answer about the status of an order.

use actix_web::http::header::HeaderValue;
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use shop::{OrderStatus, Reason};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use super::OrderState;
use crate::http::representation::Representation;
use crate::http::{ApiError, to_json};
use crate::orders::answer::EXAMPLE_ID;

/// The status of an order, with the way that it took.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderStatus)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatusAnswer {
    order_id: Uuid,
    #[serde(serialize_with = "status_name")]
    #[schema(value_type = StatusName)]
    status: OrderStatus,
    /// 1 for `placed`; grows by 1 with each change. The ETag is this number in quotes.
    #[schema(minimum = 1, example = 2)]
    version: i32,
    /// When the status was changed last, or its expected time.
    changed_at: DateTime<Utc>,
    /// When the order is expected to be ready, or became so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    ready_at: Option<DateTime<Utc>>,
    /// Why it was rejected or cancelled.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "reason_name")]
    #[schema(value_type = ReasonName, required = false, nullable = false)]
    reason: Option<Reason>,
    /// Each version, the first one first.
    #[schema(min_items = 1)]
    history: Vec<Step>,
}

/// A version of the status of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = OrderStatusStep)]
pub(crate) struct Step {
    #[serde(serialize_with = "status_name")]
    #[schema(value_type = StatusName)]
    pub(crate) status: OrderStatus,
    /// When it was made.
    pub(crate) at: DateTime<Utc>,
    /// Why it was rejected or cancelled.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "reason_name")]
    #[schema(value_type = ReasonName, required = false, nullable = false)]
    pub(crate) reason: Option<Reason>,
}

impl Step {
    /// The state that the order has, or had, before any change.
    pub(super) fn first(status: OrderStatus, placed_at: DateTime<Utc>) -> Step {
        Step {
            status,
            at: placed_at,
            reason: None,
        }
    }
}

/// Describes [`OrderStatus`].
pub(crate) enum StatusName {}

/// Describes [`Reason`].
pub(crate) enum ReasonName {}

impl ToSchema for StatusName {}

impl ToSchema for ReasonName {}

impl PartialSchema for StatusName {
    fn schema() -> RefOr<Schema> {
        let description = "The status of an order; nothing follows `picked_up`, `delivered`, `rejected` and \
                           `cancelled`.\n`out_for_delivery` and `delivered` are reserved.";
        one_of(OrderStatus::ALL.map(OrderStatus::name), description)
    }
}

impl PartialSchema for ReasonName {
    fn schema() -> RefOr<Schema> {
        one_of(
            Reason::ALL.map(Reason::name),
            "Why an order was rejected or cancelled.",
        )
    }
}

fn one_of<const N: usize>(names: [&'static str; N], description: &str) -> RefOr<Schema> {
    let schema = ObjectBuilder::new().schema_type(Type::String);
    schema
        .description(Some(description))
        .enum_values(Some(names))
        .into()
}

impl StatusAnswer {
    /// The answer about an order in this state.
    pub(crate) fn of(state: &OrderState, history: Vec<Step>) -> StatusAnswer {
        StatusAnswer {
            order_id: state.order,
            status: state.status,
            version: state.version,
            changed_at: state.changed_at,
            ready_at: state.ready_at,
            reason: state.reason,
            history,
        }
    }

    /// 200, or 304 when the client has this version.
    ///
    /// # Errors
    /// 500 when it cannot be written as JSON.
    pub(super) fn respond(&self, request: &HttpRequest) -> Result<HttpResponse, ApiError> {
        Ok(self.representation()?.respond(request))
    }

    fn representation(&self) -> Result<Representation, ApiError> {
        Ok(Representation::private_version(
            to_json(self)?,
            etag(self.version),
        ))
    }

    /// 200 to a change.
    ///
    /// # Errors
    /// 500 when it cannot be written as JSON.
    pub(super) fn respond_changed(&self, request: &HttpRequest) -> Result<HttpResponse, ApiError> {
        Ok(self.representation()?.whole(request))
    }

    pub(crate) fn example() -> Value {
        json!({
            "orderId": EXAMPLE_ID, "status": "accepted", "version": 2, "changedAt": "2026-02-01T09:30:41.120316Z",
            "readyAt": "2026-02-01T09:50:41.120316Z",
            "history": [
                {"status": "placed", "at": "2026-02-01T09:30:12.707119Z"},
                {"status": "accepted", "at": "2026-02-01T09:30:41.120316Z"},
            ],
        })
    }

    pub(crate) fn cancelled_example() -> Value {
        json!({
            "orderId": EXAMPLE_ID, "status": "cancelled", "version": 2, "changedAt": "2026-02-01T09:30:41.120316Z",
            "reason": "customer_asked",
            "history": [
                {"status": "placed", "at": "2026-02-01T09:30:12.707119Z"},
                {"status": "cancelled", "at": "2026-02-01T09:30:41.120316Z", "reason": "customer_asked"},
            ],
        })
    }
}

/// The strong ETag of a version.
pub(crate) fn etag(version: i32) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

fn status_name<S: Serializer>(status: &OrderStatus, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(status.name())
}

fn reason_name<S: Serializer>(reason: &Option<Reason>, out: S) -> Result<S::Ok, S::Error> {
    match reason {
        Some(reason) => out.serialize_str(reason.name()),
        None => out.serialize_none(),
    }
}
