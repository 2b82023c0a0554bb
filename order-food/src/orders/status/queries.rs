//! Reads of the states of orders.

use chrono::{DateTime, Utc};
use database::schema::{order_events, order_life_cycle, order_states, orders};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shop::{OrderStatus, Reason};
use uuid::Uuid;

use super::{OrderState, Step};
use crate::reference_data::ApiKeyId;

type StateRow = (String, i32, DateTime<Utc>, Option<DateTime<Utc>>, Option<String>);

/// The present state of the order, of the key `key` (`None`: of any); `None`: there is no such
/// order.
pub(crate) async fn state(
    connection: &mut AsyncPgConnection,
    order: Uuid,
    key: Option<ApiKeyId>,
) -> QueryResult<Option<OrderState>> {
    let found = states(connection, &[order]).await?.pop();
    let found = found.filter(|(_, owner)| key.is_none_or(|key| key == *owner));
    Ok(found.map(|(state, _)| state))
}

/// The present states of those orders that there are, with the keys that placed them.
pub(super) async fn states(
    connection: &mut AsyncPgConnection,
    ids: &[Uuid],
) -> QueryResult<Vec<(OrderState, ApiKeyId)>> {
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
    let state = |(order, key, created_at, began_at, state): Row| {
        let state = match state {
            Some((status, version, changed_at, ready_at, reason)) => OrderState {
                order,
                status: OrderStatus::parse(&status).map_err(unreadable)?,
                version,
                changed_at,
                ready_at,
                reason: reason_of(reason)?,
            },
            None => OrderState {
                order,
                status: without_row(created_at, began_at),
                version: 1,
                changed_at: created_at,
                ready_at: None,
                reason: None,
            },
        };
        Ok((state, key))
    };
    rows.into_iter().map(state).collect()
}

/// The status of an order that has no row in `order_states`: one from before the life cycle was
/// picked up long ago.
fn without_row(created_at: DateTime<Utc>, began_at: Option<DateTime<Utc>>) -> OrderStatus {
    match began_at.is_some_and(|began_at| created_at < began_at) {
        true => OrderStatus::PickedUp,
        false => OrderStatus::Placed,
    }
}

/// The states through which the order came to `state`, oldest first: one per version.
pub(crate) async fn history(
    connection: &mut AsyncPgConnection,
    state: &OrderState,
) -> QueryResult<Vec<Step>> {
    let placed_at = orders::table
        .find(state.order)
        .select(orders::created_at)
        .first(connection)
        .await?;
    if state.version == 1 {
        return Ok(vec![Step::first(state.status, placed_at)]);
    }
    // Later ones may have come since.
    let later: Vec<(String, DateTime<Utc>, Option<String>)> = order_events::table
        .filter(order_events::order_id.eq(state.order))
        .filter(order_events::version.le(state.version))
        .order(order_events::version)
        .select((order_events::to_status, order_events::at, order_events::reason))
        .load(connection)
        .await?;
    steps(placed_at, later)
}

/// The way of an order that was placed at `placed_at` and changed since; a change is state, time
/// and reason, the oldest first.
pub(super) fn steps(
    placed_at: DateTime<Utc>,
    changes: impl IntoIterator<Item = (String, DateTime<Utc>, Option<String>)>,
) -> QueryResult<Vec<Step>> {
    let step = |(status, at, reason): (String, _, _)| {
        Ok(Step {
            status: OrderStatus::parse(&status).map_err(unreadable)?,
            at,
            reason: reason_of(reason)?,
        })
    };
    let first = Step::first(OrderStatus::Placed, placed_at);
    std::iter::once(Ok(first))
        .chain(changes.into_iter().map(step))
        .collect()
}

/// Whether this request made the version of an order: an earlier attempt of it was committed, and
/// its answer lost.
pub(super) async fn is_made_by(
    connection: &mut AsyncPgConnection,
    state: &OrderState,
    actor_id: Option<Uuid>,
    request_id: &str,
) -> QueryResult<bool> {
    let made = order_events::table
        .filter(order_events::order_id.eq(state.order))
        .filter(order_events::version.eq(state.version))
        .filter(order_events::actor_id.is_not_distinct_from(actor_id))
        .filter(order_events::request_id.eq(request_id));
    diesel::select(diesel::dsl::exists(made))
        .get_result(connection)
        .await
}

fn reason_of(name: Option<String>) -> QueryResult<Option<Reason>> {
    name.map(|name| Reason::parse(&name))
        .transpose()
        .map_err(unreadable)
}

fn unreadable<E: std::error::Error + Send + Sync + 'static>(error: E) -> diesel::result::Error {
    diesel::result::Error::DeserializationError(Box::new(error))
}
