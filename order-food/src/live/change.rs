//! A version of an order's state, as it is told to those who wait, and how it is read.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Int4, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use shop::OrderStatus;
use utoipa::ToSchema;
use uuid::Uuid;

/// A state that an order has or had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, QueryableByName, ToSchema)]
#[schema(as = OrderEvent)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Change {
    /// The order's id.
    #[diesel(sql_type = SqlUuid)]
    pub(crate) order_id: Uuid,
    /// The state.
    #[diesel(sql_type = Text)]
    pub(crate) status: String,
    /// 1 for `placed`, and 1 more with each change.
    #[diesel(sql_type = Int4)]
    pub(crate) version: i32,
    /// When the order got this version.
    #[diesel(sql_type = Timestamptz)]
    pub(crate) changed_at: DateTime<Utc>,
    /// When the order is expected to be ready, or was; with the newest version only.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    pub(crate) ready_at: Option<DateTime<Utc>>,
    /// Why it was rejected or cancelled.
    #[diesel(sql_type = Nullable<Text>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    pub(crate) reason: Option<String>,
}

impl Change {
    /// Whether nothing leads out of the state.
    pub(crate) fn is_final(&self) -> bool {
        OrderStatus::parse(&self.status).is_ok_and(OrderStatus::is_final)
    }
}

const AFTER: &str = "
    SELECT event.order_id, event.to_status AS status, event.version, event.at AS changed_at, event.reason,
           CASE WHEN state.version = event.version THEN state.ready_at END AS ready_at
    FROM unnest($1, $2) AS seen (order_id, version)
    JOIN order_events AS event ON event.order_id = seen.order_id AND event.version > seen.version
    JOIN order_states AS state ON state.order_id = seen.order_id
    ORDER BY event.order_id, event.version";

/// The changes of each of these orders after its version, oldest first.
pub(super) async fn changes_after(
    connection: &mut AsyncPgConnection,
    orders: &[(Uuid, i32)],
) -> QueryResult<Vec<Change>> {
    let (orders, versions): (Vec<Uuid>, Vec<i32>) = orders.iter().copied().unzip();
    diesel::sql_query(AFTER)
        .bind::<Array<SqlUuid>, _>(orders)
        .bind::<Array<Int4>, _>(versions)
        .load(connection)
        .await
}
