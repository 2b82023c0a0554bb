//! Counts the orders of a day into `sales_daily`, and finds the days that have to be counted.
//!
//! Two orders may commit in another order than their ids and times say. So the watermark is a
//! transaction id: every transaction below it had ended when the refresh took its snapshot, and
//! each order, and each state of an order, names the transaction that wrote it. A day with news is
//! put into `sales_days_due` in the transaction that moves the watermark, and is taken out of it in
//! the one that counts it.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Date, Integer, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use database::locks;
use database::schema::sales_days_due;

use super::Days;

/// Time limits of each transaction here, below the time limit of a job.
const LIMITS: &str = "SET LOCAL statement_timeout = '50s'; SET LOCAL lock_timeout = '30s'";

/// How far the sales were counted when the refresh began.
#[derive(Debug, QueryableByName)]
struct Watermark {
    #[diesel(sql_type = Text)]
    time_zone: String,
    #[diesel(sql_type = BigInt)]
    cluster: i64,
    #[diesel(sql_type = BigInt)]
    xid: i64,
    #[diesel(sql_type = Timestamptz)]
    as_of: DateTime<Utc>,
}

#[derive(QueryableByName)]
struct Server {
    #[diesel(sql_type = BigInt)]
    cluster: i64,
    #[diesel(sql_type = BigInt)]
    next_xid: i64,
}

const WATERMARK: &str = "SELECT time_zone, cluster, xid, as_of FROM sales_watermark FOR NO KEY UPDATE";

const SERVER: &str = "
    SELECT system_identifier AS cluster, pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next_xid
    FROM pg_control_system()";

/// One statement, so one snapshot: what it does not see is at or above the new watermark.
const FIND_NEWS: &str = "
    WITH moved AS (
        UPDATE sales_watermark SET xid = pg_snapshot_xmin(pg_current_snapshot())::text::bigint, as_of = now()
    )
    INSERT INTO sales_days_due (day, counted_until)
    SELECT DISTINCT (created_at AT TIME ZONE $1)::date, $2
    FROM (
        SELECT created_at FROM orders WHERE changed_xid >= $3
        UNION ALL
        SELECT created_at FROM order_states JOIN orders ON orders.id = order_id
        WHERE order_states.changed_xid >= $3 AND order_states.status IN ('rejected', 'cancelled')
    ) AS news
    ON CONFLICT (day) DO NOTHING";

const FIND_ALL: &str = "
    WITH started AS (
        INSERT INTO sales_watermark (time_zone, cluster, xid, as_of)
        VALUES ($1, $2, pg_snapshot_xmin(pg_current_snapshot())::text::bigint, now())
        ON CONFLICT (single) DO UPDATE
        SET time_zone = EXCLUDED.time_zone, cluster = EXCLUDED.cluster, xid = EXCLUDED.xid, as_of = EXCLUDED.as_of
    )
    INSERT INTO sales_days_due (day)
    SELECT DISTINCT (created_at AT TIME ZONE $1)::date FROM orders";

/// Moves the watermark to now and marks the days of orders that were committed since it moved
/// last. All days are marked at the first call, after a change of the time zone, and when the
/// tables were moved to another server, whose transactions are numbered anew.
///
/// # Errors
/// Whatever the database says.
pub(crate) async fn find_news(connection: &mut AsyncPgConnection, time_zone: &str) -> QueryResult<()> {
    let mut transaction = connection.build_transaction().read_committed();
    transaction
        .run(async |connection| {
            connection.batch_execute(LIMITS).await?;
            let watermark: Option<Watermark> = diesel::sql_query(WATERMARK)
                .get_result(connection)
                .await
                .optional()?;
            let server: Server = diesel::sql_query(SERVER).get_result(connection).await?;
            let known = watermark.filter(|known| {
                known.time_zone == time_zone && known.cluster == server.cluster && known.xid <= server.next_xid
            });
            match known {
                Some(known) => diesel::sql_query(FIND_NEWS)
                    .bind::<Text, _>(time_zone)
                    .bind::<Timestamptz, _>(known.as_of)
                    .bind::<BigInt, _>(known.xid)
                    .execute(connection)
                    .await
                    .map(drop),
                None => {
                    connection
                        .batch_execute(
                            "SELECT FROM sales_watermark FOR UPDATE; DELETE FROM sales_days_due; DELETE FROM sales_daily",
                        )
                        .await?;
                    diesel::sql_query(FIND_ALL)
                        .bind::<Text, _>(time_zone)
                        .bind::<BigInt, _>(server.cluster)
                        .execute(connection)
                        .await
                        .map(drop)
                }
            }
        })
        .await
}

/// Marks days to be counted again, whether there is news or not; none before the first refresh,
/// which counts all. Returns how many days it is.
///
/// # Errors
/// Whatever the database says.
pub(crate) async fn mark(connection: &mut AsyncPgConnection, days: Days) -> QueryResult<usize> {
    const MARK: &str = "
        INSERT INTO sales_days_due (day, counted_until)
        SELECT day::date, as_of FROM sales_watermark, generate_series($1::timestamp, $2, '1 day') AS day
        ON CONFLICT (day) DO NOTHING";
    diesel::sql_query(MARK)
        .bind::<Date, _>(days.from())
        .bind::<Date, _>(days.to())
        .execute(connection)
        .await
}

/// The newest `most` days that have to be counted, newest first.
///
/// # Errors
/// Whatever the database says.
pub(crate) async fn due(connection: &mut AsyncPgConnection, most: i64) -> QueryResult<Vec<NaiveDate>> {
    sales_days_due::table
        .select(sales_days_due::day)
        .order(sales_days_due::day.desc())
        .limit(most)
        .load(connection)
        .await
}

/// The orders near the day are found by instants, and kept by their day: a clock that is set back
/// at midnight has some days begin twice. A discount is divided among the lines by what the lines
/// up to each amount to, so that the parts add up to it.
const COUNT: &str = "
    WITH sold AS MATERIALIZED (
        SELECT id, coalesce(promotions.code, '') AS promotion, subtotal, discount,
            coalesce(state.status IN ('rejected', 'cancelled'), false) AS is_void
        FROM orders LEFT JOIN promotions ON promotions.code = orders.coupon_code
        LEFT JOIN order_states AS state ON state.order_id = orders.id
        WHERE created_at >= ($1::timestamp AT TIME ZONE $2) - interval '3 hours'
            AND created_at < (($1 + 1)::timestamp AT TIME ZONE $2) + interval '3 hours'
            AND (created_at AT TIME ZONE $2)::date = $1
    ),
    amounts AS (
        SELECT id, is_void, product_id, category, quantity, discount, unit_price * quantity AS gross,
            sum(unit_price * quantity) OVER (PARTITION BY id ORDER BY line) AS up_to,
            sum(unit_price * quantity) OVER (PARTITION BY id) AS whole
        FROM sold JOIN order_items ON order_id = id
    ),
    lines AS MATERIALIZED (
        SELECT id, is_void, product_id, category, quantity, gross,
            CASE WHEN whole = 0 THEN 0
                ELSE (div(discount * 100 * up_to, whole) - div(discount * 100 * (up_to - gross), whole)) / 100
            END::numeric(20, 2) AS share
        FROM amounts
    ),
    whole AS (
        SELECT promotion, subtotal, discount, is_void, coalesce(units, 0) AS units
        FROM sold LEFT JOIN (SELECT id, sum(quantity) AS units FROM lines GROUP BY id) AS counted USING (id)
    ),
    fresh (dimension, key, orders, units, gross, discounts, cancelled_orders, cancelled_total) AS (
        SELECT 'day', to_char($1, 'YYYY-MM-DD'), count(*), sum(units), sum(subtotal), sum(discount),
            count(*) FILTER (WHERE is_void), coalesce(sum(subtotal - discount) FILTER (WHERE is_void), 0)
        FROM whole HAVING count(*) > 0
        UNION ALL
        SELECT 'promotion', promotion, count(*), sum(units), sum(subtotal), sum(discount),
            count(*) FILTER (WHERE is_void), coalesce(sum(subtotal - discount) FILTER (WHERE is_void), 0)
        FROM whole GROUP BY promotion
        UNION ALL
        SELECT 'product', product_id::text, count(DISTINCT id), sum(quantity), sum(gross), sum(share),
            count(DISTINCT id) FILTER (WHERE is_void), coalesce(sum(gross - share) FILTER (WHERE is_void), 0)
        FROM lines GROUP BY product_id
        UNION ALL
        SELECT 'category', category, count(DISTINCT id), sum(quantity), sum(gross), sum(share),
            count(DISTINCT id) FILTER (WHERE is_void), coalesce(sum(gross - share) FILTER (WHERE is_void), 0)
        FROM lines GROUP BY category
    ),
    gone AS (
        DELETE FROM sales_daily
        WHERE day = $1 AND NOT EXISTS (
            SELECT FROM fresh WHERE fresh.dimension = sales_daily.dimension AND fresh.key = sales_daily.key
        )
    )
    INSERT INTO sales_daily AS known
        (dimension, day, key, orders, units, gross, discounts, total, cancelled_orders, cancelled_total)
    SELECT dimension, $1, key, orders, units, gross, discounts, gross - discounts, cancelled_orders, cancelled_total
    FROM fresh
    ON CONFLICT (dimension, day, key) DO UPDATE
    SET orders = EXCLUDED.orders, units = EXCLUDED.units, gross = EXCLUDED.gross, discounts = EXCLUDED.discounts,
        total = EXCLUDED.total, cancelled_orders = EXCLUDED.cancelled_orders, cancelled_total = EXCLUDED.cancelled_total
    WHERE (known.orders, known.units, known.gross, known.discounts, known.cancelled_orders, known.cancelled_total)
        IS DISTINCT FROM (EXCLUDED.orders, EXCLUDED.units, EXCLUDED.gross, EXCLUDED.discounts, EXCLUDED.cancelled_orders,
            EXCLUDED.cancelled_total)";

/// Counts a day that is due, in the time zone of the watermark; false when it is not due any more.
///
/// The mark goes first: who marks the day meanwhile waits for this transaction, and marks it anew.
/// The lock on the watermark keeps the time zone; the advisory lock keeps two counts of one day,
/// of which the earlier snapshot must not be written last.
///
/// # Errors
/// Whatever the database says.
pub(crate) async fn count(connection: &mut AsyncPgConnection, day: NaiveDate) -> QueryResult<bool> {
    const ZONE: &str = "SELECT time_zone FROM sales_watermark FOR KEY SHARE";
    const LOCK: &str = "SELECT pg_advisory_xact_lock($1, $2 - '2000-01-01'::date)";
    #[derive(QueryableByName)]
    struct Zone {
        #[diesel(sql_type = Text)]
        time_zone: String,
    }
    let mut transaction = connection.build_transaction().read_committed();
    transaction
        .run(async |connection| {
            connection.batch_execute(LIMITS).await?;
            let zone: Option<Zone> = diesel::sql_query(ZONE).get_result(connection).await.optional()?;
            diesel::sql_query(LOCK)
                .bind::<Integer, _>(locks::SALES_DAY)
                .bind::<Date, _>(day)
                .execute(connection)
                .await?;
            let due = diesel::delete(sales_days_due::table.find(day))
                .execute(connection)
                .await?;
            let (Some(zone), 1..) = (zone, due) else {
                return Ok(false);
            };
            diesel::sql_query(COUNT)
                .bind::<Date, _>(day)
                .bind::<Text, _>(zone.time_zone)
                .execute(connection)
                .await?;
            Ok(true)
        })
        .await
}
