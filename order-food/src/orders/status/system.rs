//! Changes that periodic jobs make: many orders at once, none of which anybody answered.
//!
//! No transition leads back to `placed`. So `order_life_cycle.answered_until` only moves on, and a
//! look for placed orders reads those since then, however many there are before.

use chrono::{DateTime, TimeDelta, Utc};
use database::schema::order_life_cycle;
use diesel::QueryResult;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shop::{Actor, OrderStatus, Reason};
use uuid::Uuid;

use super::ReadyIn;
use super::statement::{Row, Statement};

/// The most by which the time in an order's id and `created_at` may differ, with the time that an
/// order may take to be stored: clocks of API processes, the database's clock, and the deadline.
pub(crate) const CLOCKS_DIFFER: TimeDelta = TimeDelta::minutes(10);

/// Placed orders, found up to an instant.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unanswered {
    /// In the order of their ids, as many as were asked for at most.
    pub(crate) orders: Vec<Uuid>,
    /// Orders with a later `created_at` were left out.
    until: DateTime<Utc>,
}

const UNANSWERED: &str = "
    SELECT orders.id FROM orders
    WHERE orders.id BETWEEN $1 AND $2 AND created_at >= $3 AND created_at <= $4
        AND NOT EXISTS (SELECT FROM order_states WHERE order_id = orders.id)
    ORDER BY orders.id LIMIT $5";

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

/// At most `most` orders that have been placed for `at_least` or longer.
pub(crate) async fn unanswered(
    connection: &mut AsyncPgConnection,
    at_least: TimeDelta,
    most: i64,
) -> QueryResult<Unanswered> {
    let (began_at, answered_until, now): (DateTime<Utc>, DateTime<Utc>, DateTime<Utc>) =
        order_life_cycle::table
            .select((
                order_life_cycle::began_at,
                order_life_cycle::answered_until,
                sql::<Timestamptz>("now()"),
            ))
            .first(connection)
            .await?;
    let until = now - at_least;
    let found: Vec<Found> = diesel::sql_query(UNANSWERED)
        .bind::<SqlUuid, _>(first_id_at(answered_until))
        .bind::<SqlUuid, _>(first_id_at(until + CLOCKS_DIFFER))
        .bind::<Timestamptz, _>(began_at)
        .bind::<Timestamptz, _>(until)
        .bind::<BigInt, _>(most)
        .load(connection)
        .await?;
    Ok(Unanswered {
        orders: found.into_iter().map(|found| found.id).collect(),
        until,
    })
}

/// Notes that none of the orders up to there is placed any more.
pub(crate) async fn answered_until(
    connection: &mut AsyncPgConnection,
    unanswered: &Unanswered,
) -> QueryResult<()> {
    let until = unanswered.until - CLOCKS_DIFFER;
    diesel::update(order_life_cycle::table.filter(order_life_cycle::answered_until.lt(until)))
        .set(order_life_cycle::answered_until.eq(until))
        .execute(connection)
        .await
        .map(drop)
}

/// Accepts placed orders, to be ready in so many minutes, or rejects them for a reason; returns how
/// many. Those that somebody answered meanwhile stay as they are.
pub(crate) async fn answer_all(
    connection: &mut AsyncPgConnection,
    orders: &[Uuid],
    answer: Result<ReadyIn, Reason>,
) -> QueryResult<usize> {
    let to = match answer {
        Ok(_) => OrderStatus::Accepted,
        Err(_) => OrderStatus::Rejected,
    };
    let sources = [OrderStatus::Placed.name()];
    let row = |order: &Uuid| Row {
        order: *order,
        to: to.name(),
        sources: &sources,
        minutes: answer.ok().map(ReadyIn::minutes),
        reason: answer.err().map(Reason::name),
        actor: Actor::System.name(),
        ..Row::default()
    };
    let rows: Vec<Row<'_>> = orders.iter().map(row).collect();
    let changed = Statement::of(&rows)?.run(connection).await?;
    Ok(changed.len())
}

/// The lowest id of a UUID of version 7 that has this time, to the millisecond.
pub(crate) fn first_id_at(time: DateTime<Utc>) -> Uuid {
    let milliseconds = u64::try_from(time.timestamp_millis()).unwrap_or_default();
    // Below every id of the millisecond, whatever its version and variant.
    Uuid::from_u128(u128::from(milliseconds) << 80)
}

#[cfg(test)]
mod tests {
    use uuid::Builder;

    use super::*;

    #[test]
    fn the_first_id_of_a_time_is_between_the_ids_before_and_after() {
        let time = DateTime::from_timestamp_millis(1_764_417_600_123).unwrap();
        let of = |milliseconds: u64, random: u8| {
            Builder::from_unix_timestamp_millis(milliseconds, &[random; 10]).into_uuid()
        };

        let first = first_id_at(time);

        assert!(of(1_764_417_600_122, 255) < first);
        assert!(first < of(1_764_417_600_123, 0));
    }
}
