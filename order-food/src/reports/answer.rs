//! The answer of a sales report.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use shop::Money;
use utoipa::ToSchema;

use super::queries::{Sales, Sums};
use super::{Days, Dimension};

/// Sales of a range of days.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SalesReport<'a> {
    /// The first day.
    from: NaiveDate,
    /// The last day.
    to: NaiveDate,
    by: Dimension,
    /// Every order that was stored before is counted; null while not all days were counted yet, so
    /// that orders may be missing.
    #[schema(required = true)]
    as_of: Option<DateTime<Utc>>,
    /// One row per key that was sold, days and texts in their order, products by number.
    #[schema(value_type = Vec<SalesReportRow>)]
    rows: Vec<KeyedRow<'a>>,
}

/// The sums of one day, product, category or promotion.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes the row; `KeyedRow` writes it")]
pub(crate) struct SalesReportRow {
    /// With `by=day`.
    #[schema(required = false, nullable = false)]
    day: Option<NaiveDate>,
    /// With `by=product`: the product's id.
    #[schema(required = false, nullable = false, example = "1")]
    product: Option<String>,
    /// With `by=category`.
    #[schema(required = false, nullable = false)]
    category: Option<String>,
    /// With `by=promotion`: the code, null for orders without a promotion.
    #[schema(required = false)]
    promotion: Option<String>,
    /// Orders; one with several products counts for each of them.
    #[schema(minimum = 0)]
    orders: i64,
    /// Quantities added up.
    #[schema(minimum = 0)]
    units: i64,
    /// Price times quantity, added up, with two decimals.
    #[schema(value_type = f64, minimum = 0)]
    gross: Money,
    /// Discounts, divided among an order's lines in proportion to their amounts.
    #[schema(value_type = f64, minimum = 0)]
    discounts: Money,
    /// `gross` minus `discounts`.
    #[schema(value_type = f64)]
    total: Money,
    /// Those of `orders` that were cancelled or rejected.
    #[schema(minimum = 0)]
    cancelled_orders: i64,
    /// Their part of `total`.
    #[schema(value_type = f64, minimum = 0)]
    cancelled_total: Money,
}

/// A row of a report or of an export: the day, the key under the name of its dimension, the sums.
#[derive(Debug, Serialize)]
pub(super) struct KeyedRow<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    day: Option<NaiveDate>,
    #[serde(flatten)]
    key: Option<Key<'a>>,
    #[serde(flatten)]
    sums: &'a Sums,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Key<'a> {
    Day(&'a str),
    Product(&'a str),
    Category(&'a str),
    Promotion(Option<&'a str>),
}

impl<'a> KeyedRow<'a> {
    /// The sums of a key, of one `day` or of several.
    pub(super) fn of(day: Option<NaiveDate>, by: Dimension, key: &'a str, sums: &'a Sums) -> KeyedRow<'a> {
        let key = match by {
            Dimension::Day => day.is_none().then_some(Key::Day(key)),
            Dimension::Product => Some(Key::Product(key)),
            Dimension::Category => Some(Key::Category(key)),
            Dimension::Promotion => Some(Key::Promotion(Some(key).filter(|key| !key.is_empty()))),
        };
        KeyedRow { day, key, sums }
    }
}

impl<'a> SalesReport<'a> {
    pub(super) fn new(days: Days, by: Dimension, sales: &'a Sales) -> SalesReport<'a> {
        let rows = sales.rows.iter();
        SalesReport {
            from: days.from(),
            to: days.to(),
            by,
            as_of: sales.as_of,
            rows: rows
                .map(|row| KeyedRow::of(None, by, &row.key, &row.sums))
                .collect(),
        }
    }

    pub(super) fn example() -> Value {
        json!({
            "from": "2026-01-01", "to": "2026-01-31", "by": "product", "asOf": "2026-02-01T00:00:17.503214Z",
            "rows": [
                {"product": "1", "orders": 2, "units": 3, "gross": 38.97, "discounts": 2.60, "total": 36.37,
                 "cancelledOrders": 1, "cancelledTotal": 12.99},
                {"product": "3", "orders": 1, "units": 1, "gross": 9.99, "discounts": 1.00, "total": 8.99,
                 "cancelledOrders": 0, "cancelledTotal": 0.00},
            ],
        })
    }
}
