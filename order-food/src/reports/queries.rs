//! Reads of the counted sales.

use chrono::{DateTime, Utc};
use database::amount::Amount;
use diesel::sql_types::{BigInt, Date, Nullable, Numeric, Text, Timestamptz};
use diesel::{QueryResult, QueryableByName};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;

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
    pub(crate) sums: Sums,
}

/// The columns of `sales_daily` that are added up.
#[derive(Clone, Debug, PartialEq, Eq, QueryableByName, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sums {
    #[diesel(sql_type = BigInt)]
    pub(crate) orders: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) units: i64,
    #[diesel(sql_type = Numeric)]
    pub(crate) gross: Amount,
    #[diesel(sql_type = Numeric)]
    pub(crate) discounts: Amount,
    #[diesel(sql_type = Numeric)]
    pub(crate) total: Amount,
    /// Those of `orders` that were cancelled or rejected.
    #[diesel(sql_type = BigInt)]
    pub(crate) cancelled_orders: i64,
    /// Their part of `total`.
    #[diesel(sql_type = Numeric)]
    pub(crate) cancelled_total: Amount,
}

/// One row without a key when nothing was sold.
const SALES: &str = "
    SELECT as_of, key, coalesce(orders, 0) AS orders, coalesce(units, 0) AS units, coalesce(gross, 0) AS gross,
        coalesce(discounts, 0) AS discounts, coalesce(total, 0) AS total,
        coalesce(cancelled_orders, 0) AS cancelled_orders, coalesce(cancelled_total, 0) AS cancelled_total
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
    #[diesel(embed)]
    sums: Sums,
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
    let as_of = rows.iter().find_map(|row| row.as_of);
    let row = |Row { key, sums, .. }: Row| Some(SalesRow { key: key?, sums });
    Ok(Sales {
        as_of,
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
