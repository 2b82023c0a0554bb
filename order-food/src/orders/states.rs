//! Reads of the states of orders, and of orders by their state.

use chrono::{DateTime, Utc};
use database::schema::{order_life_cycle, order_states, orders};
use diesel::QueryResult;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shop::OrderStatus;
use uuid::Uuid;

use super::Cursor;
use crate::live::Change;
use crate::reference_data::ApiKeyId;

type StateRow = (String, i32, DateTime<Utc>, Option<DateTime<Utc>>, Option<String>);

/// The present states of those of these orders that there are, in any order, with the keys that
/// placed them.
pub(super) async fn present(
    connection: &mut AsyncPgConnection,
    ids: &[Uuid],
) -> QueryResult<Vec<(Change, ApiKeyId)>> {
    let began_at = order_life_cycle::table
        .select(order_life_cycle::began_at)
        .single_value();
    type Row = (
        Uuid,
        ApiKeyId,
        DateTime<Utc>,
        Option<DateTime<Utc>>,
        Option<StateRow>,
    );
    let rows: Vec<Row> = orders::table
        .left_join(order_states::table.on(order_states::order_id.eq(orders::id)))
        .filter(orders::id.eq_any(ids))
        .select((
            orders::id,
            orders::api_key_id,
            orders::created_at,
            began_at,
            (
                order_states::status,
                order_states::version,
                order_states::changed_at,
                order_states::ready_at,
                order_states::reason,
            )
                .nullable(),
        ))
        .load(connection)
        .await?;
    let state = |(order_id, key, created_at, began_at, state): Row| {
        // Orders without a row are placed; those from before the life cycle were picked up.
        let status = match began_at.is_some_and(|began_at| created_at < began_at) {
            true => OrderStatus::PickedUp,
            false => OrderStatus::Placed,
        };
        let without_row = || (status.name().to_owned(), 1, created_at, None, None);
        let (status, version, changed_at, ready_at, reason) = state.unwrap_or_else(without_row);
        let state = Change {
            order_id,
            status,
            version,
            changed_at,
            ready_at,
            reason,
        };
        (state, key)
    };
    Ok(rows.into_iter().map(state).collect())
}

/// The present states of those of these orders that are of the key `key` (`None`: of any).
pub(crate) async fn present_states(
    connection: &mut AsyncPgConnection,
    orders: &[Uuid],
    key: Option<ApiKeyId>,
) -> QueryResult<Vec<Change>> {
    let mut states = present(connection, orders).await?;
    states.retain(|(_, owner)| key.is_none_or(|key| key == *owner));
    Ok(states.into_iter().map(|(state, _)| state).collect())
}

/// Which orders a page holds.
pub(crate) struct ByStatus<'a> {
    pub(crate) statuses: &'a [OrderStatus],
    /// Of this key; `None`: of any.
    pub(crate) key: Option<ApiKeyId>,
    /// `None`: from the newest.
    pub(crate) before: Option<Cursor>,
    pub(crate) limit: i64,
    /// Placed orders with a lower id are left out.
    pub(crate) placed_since: Uuid,
}

/// The parts of a page, by states; each reads an index from the newest order on. `{own}` limits it
/// to the orders of a key, `{orders}` joins them where that needs it.
const PARTS: [(&[OrderStatus], &str); 5] = [
    // `OFFSET 0` keeps the order of the states, so that both sides are merged: for orders that are
    // seldom placed still, a look-up for each takes five times as long.
    (
        &[OrderStatus::Placed],
        "SELECT orders.id FROM orders
         LEFT JOIN (SELECT order_id FROM order_states WHERE order_id < $1 AND order_id >= $5
                    ORDER BY order_id DESC OFFSET 0) AS state ON state.order_id = orders.id
         WHERE orders.id < $1 AND orders.id >= $5 AND state.order_id IS NULL
           AND orders.created_at >= (SELECT began_at FROM order_life_cycle) {own}
         ORDER BY orders.id DESC LIMIT $2",
    ),
    (
        &[
            OrderStatus::Accepted,
            OrderStatus::Preparing,
            OrderStatus::Ready,
            OrderStatus::OutForDelivery,
        ],
        "SELECT state.order_id FROM order_states AS state {orders}
         WHERE state.order_id < $1 AND state.status = ANY ($4)
           AND state.status IN ('accepted', 'preparing', 'ready', 'out_for_delivery') {own}
         ORDER BY state.order_id DESC LIMIT $2",
    ),
    (
        &[OrderStatus::Rejected, OrderStatus::Cancelled],
        "SELECT state.order_id FROM order_states AS state {orders}
         WHERE state.order_id < $1 AND state.status = ANY ($4) AND state.status IN ('rejected', 'cancelled') {own}
         ORDER BY state.order_id DESC LIMIT $2",
    ),
    (
        &[OrderStatus::PickedUp, OrderStatus::Delivered],
        "SELECT state.order_id FROM order_states AS state {orders}
         WHERE state.order_id < $1 AND state.status = ANY ($4) AND state.status IN ('picked_up', 'delivered') {own}
         ORDER BY state.order_id DESC LIMIT $2",
    ),
    // From before the life cycle: they have no states. Ids come from other clocks than times.
    (
        &[OrderStatus::PickedUp],
        "SELECT orders.id FROM orders
         WHERE orders.id < least($1, (
                 SELECT rpad(lpad(to_hex((1000 * extract(epoch FROM began_at + interval '5 minutes'))::bigint), 12, '0'), 32, '0')::uuid
                 FROM order_life_cycle))
           AND orders.created_at < (SELECT began_at FROM order_life_cycle) {own}
         ORDER BY orders.id DESC LIMIT $2",
    ),
];

/// A plan for these very parameters: the best one depends on how many orders the key has.
const CUSTOM_PLAN: &str = "SET LOCAL plan_cache_mode = force_custom_plan";

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

/// The ids of the orders in one of these states, newest first; to be called in a transaction.
pub(crate) async fn ids_by_status(
    connection: &mut AsyncPgConnection,
    page: &ByStatus<'_>,
) -> QueryResult<Vec<Uuid>> {
    diesel::sql_query(CUSTOM_PLAN).execute(connection).await?;
    let names: Vec<&str> = page.statuses.iter().map(|status| status.name()).collect();
    let rows: Vec<Id> = diesel::sql_query(statement(page.statuses, page.key.is_some()))
        .bind::<SqlUuid, _>(page.before.unwrap_or(Uuid::max()))
        .bind::<BigInt, _>(page.limit)
        .bind::<Nullable<SqlUuid>, _>(page.key)
        .bind::<Array<Text>, _>(names)
        .bind::<SqlUuid, _>(page.placed_since)
        .load(connection)
        .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// The statement for these states; there are few of them, so that each is prepared once.
fn statement(statuses: &[OrderStatus], own: bool) -> String {
    let (orders, own) = match own {
        true => (
            "JOIN orders ON orders.id = state.order_id",
            "AND orders.api_key_id = $3",
        ),
        false => ("", ""),
    };
    let parts: Vec<String> = PARTS
        .iter()
        .filter(|(states, _)| states.iter().any(|state| statuses.contains(state)))
        .map(|(_, part)| format!("({})", part.replace("{orders}", orders).replace("{own}", own)))
        .collect();
    format!(
        "SELECT id FROM ({}) AS part (id) ORDER BY id DESC LIMIT $2",
        parts.join(" UNION ALL ")
    )
}
