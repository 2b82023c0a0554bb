//! Reads of the states of orders.

use chrono::{DateTime, Utc};
use database::schema::{order_events, orders};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shop::{OrderStatus, Reason};
use uuid::Uuid;

use super::{OrderState, Step};
use crate::live::Change;
use crate::orders::states::{present, present_states};
use crate::reference_data::ApiKeyId;

/// The present state of the order, of the key `key` (`None`: of any); `None`: there is no such
/// order.
pub(crate) async fn state(
    connection: &mut AsyncPgConnection,
    order: Uuid,
    key: Option<ApiKeyId>,
) -> QueryResult<Option<OrderState>> {
    let found = present_states(connection, &[order], key).await?.pop();
    found.map(read).transpose()
}

/// The present states of those orders that there are, with the keys that placed them.
pub(super) async fn states(
    connection: &mut AsyncPgConnection,
    ids: &[Uuid],
) -> QueryResult<Vec<(OrderState, ApiKeyId)>> {
    let found = present(connection, ids).await?;
    found
        .into_iter()
        .map(|(state, key)| Ok((read(state)?, key)))
        .collect()
}

fn read(state: Change) -> QueryResult<OrderState> {
    Ok(OrderState {
        order: state.order_id,
        status: OrderStatus::parse(&state.status).map_err(unreadable)?,
        version: state.version,
        changed_at: state.changed_at,
        ready_at: state.ready_at,
        reason: reason_of(state.reason)?,
    })
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
