//! Reads of the counted sales.

use chrono::{DateTime, Utc};
use database::amount::Amount;
use diesel::sql_types::{BigInt, Date, Nullable, Numeric, Text, Timestamptz};
use diesel::{QueryResult, QueryableByName};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{Days, Dimension};

/// Sums over a range of days.
#[derive(Debug)]
pub(crate) struct Sales {
    /// Every order that was committed before is counted; `None`: not all days were counted yet.
    pub(crate) as_of: Option<DateTime<Utc>>,
    /// In the order of their keys, products by number.
    pub(crate) rows: Vec<SalesRow>,
}

/// The sums of one key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SalesRow {
    /// As `sales_daily.key`.
    pub(crate) key: String,
    pub(crate) orders: i64,
    pub(crate) units: i64,
    pub(crate) gross: Amount,
    pub(crate) discounts: Amount,
    pub(crate) total: Amount,
    /// Those of `orders` that were cancelled or rejected.
    pub(crate) cancelled_orders: i64,
    /// Their part of `total`.
    pub(crate) cancelled_total: Amount,
}

/// One row without a key when nothing was sold.
const SALES: &str = "
    SELECT as_of, key, orders, units, gross, discounts, total, cancelled_orders, cancelled_total
    FROM (
        SELECT CASE
            WHEN EXISTS (SELECT FROM sales_days_due WHERE day BETWEEN $2 AND $3 AND counted_until IS NULL) THEN NULL
            ELSE least(as_of, (SELECT min(counted_until) FROM sales_days_due WHERE day BETWEEN $2 AND $3))
            END AS as_of
        FROM sales_watermark WHERE time_zone = $4
    ) AS counted
    LEFT JOIN (
        SELECT key, sum(orders)::bigint AS orders, sum(units)::bigint AS units,
            sum(gross) AS gross, sum(discounts) AS discounts, sum(total) AS total,
            sum(cancelled_orders)::bigint AS cancelled_orders, sum(cancelled_total) AS cancelled_total
        FROM sales_daily
        WHERE dimension = $1 AND day BETWEEN $2 AND $3
        GROUP BY key
    ) AS sold ON true
    ORDER BY CASE WHEN $1 = 'product' THEN key::bigint END, key";

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Nullable<Timestamptz>)]
    as_of: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    key: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    orders: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    units: Option<i64>,
    #[diesel(sql_type = Nullable<Numeric>)]
    gross: Option<Amount>,
    #[diesel(sql_type = Nullable<Numeric>)]
    discounts: Option<Amount>,
    #[diesel(sql_type = Nullable<Numeric>)]
    total: Option<Amount>,
    #[diesel(sql_type = Nullable<BigInt>)]
    cancelled_orders: Option<i64>,
    #[diesel(sql_type = Nullable<Numeric>)]
    cancelled_total: Option<Amount>,
}

/// The sales of the days in `time_zone`; nothing while they are counted in another one.
pub(crate) async fn sales(
    connection: &mut AsyncPgConnection,
    days: Days,
    by: Dimension,
    time_zone: &str,
) -> QueryResult<Sales> {
    let rows: Vec<Row> = diesel::sql_query(SALES)
        .bind::<Text, _>(by.name())
        .bind::<Date, _>(days.from())
        .bind::<Date, _>(days.to())
        .bind::<Text, _>(time_zone)
        .load(connection)
        .await?;
    let row = |row: Row| {
        Some(SalesRow {
            key: row.key?,
            orders: row.orders?,
            units: row.units?,
            gross: row.gross?,
            discounts: row.discounts?,
            total: row.total?,
            cancelled_orders: row.cancelled_orders?,
            cancelled_total: row.cancelled_total?,
        })
    };
    Ok(Sales {
        as_of: rows.iter().find_map(|row| row.as_of),
        rows: rows.into_iter().filter_map(row).collect(),
    })
}

#[derive(QueryableByName)]
struct NewestDay {
    #[diesel(sql_type = Nullable<Date>)]
    day: Option<chrono::NaiveDate>,
}

/// The newest day on which something was sold.
pub(crate) async fn newest_day(connection: &mut AsyncPgConnection) -> QueryResult<Option<chrono::NaiveDate>> {
    let newest: NewestDay =
        diesel::sql_query("SELECT max(day) AS day FROM sales_daily WHERE dimension = 'day'")
            .get_result(connection)
            .await?;
    Ok(newest.day)
}
