//! The active promotions, as rows of the snapshot.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use database::amount::Amount;
use database::schema::promotions;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shop::{CouponCode, Promotion, PromotionKind};

use super::table::{Column, SkippedRows, readable};

type Row = (
    Column<String>,
    Column<String>,
    Column<Amount>,
    i32,
    Option<Column<Amount>>,
    Option<Column<DateTime<Utc>>>,
    Option<Column<DateTime<Utc>>>,
    Option<i64>,
);

/// The active promotions by code.
pub(super) async fn read_promotions(
    connection: &mut AsyncPgConnection,
) -> QueryResult<(HashMap<String, Promotion>, SkippedRows)> {
    let rows: Vec<Row> = promotions::table
        .select((
            promotions::code,
            promotions::kind,
            promotions::value,
            promotions::min_items,
            promotions::max_discount,
            promotions::starts_at,
            promotions::ends_at,
            promotions::max_uses,
        ))
        .filter(promotions::active)
        .order(promotions::code)
        .load(connection)
        .await?;
    Ok(readable(rows.into_iter().map(keyed)))
}

fn keyed(
    (code, kind, value, min_items, max_discount, starts_at, ends_at, max_uses): Row,
) -> Result<(String, Promotion), String> {
    let code = code.value("code")?;
    let promotion = || {
        let Amount(value) = value.value("value")?;
        let max_discount = max_discount.map(|most| most.value("max_discount")).transpose()?;
        let problem = |column: &str, problem: &dyn std::fmt::Display| format!("{column}: {problem}");
        Ok::<_, String>(Promotion {
            code: CouponCode::parse(code.as_str()).map_err(|wrong| problem("code", &wrong))?,
            kind: PromotionKind::new(&kind.value("kind")?, value).map_err(|wrong| problem("kind", &wrong))?,
            min_items: u32::try_from(min_items).map_err(|wrong| problem("min_items", &wrong))?,
            max_discount: max_discount.map(|Amount(most)| most),
            starts_at: starts_at.map(|at| at.value("starts_at")).transpose()?,
            ends_at: ends_at.map(|at| at.value("ends_at")).transpose()?,
            max_uses: max_uses
                .map(u64::try_from)
                .transpose()
                .map_err(|wrong| problem("max_uses", &wrong))?,
        })
    };
    match promotion() {
        Ok(promotion) => Ok((code.clone(), promotion)),
        Err(problem) => Err(format!("{code}: {problem}")),
    }
}
