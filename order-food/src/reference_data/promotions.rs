//! The active promotions, as rows of the snapshot.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use database::amount::Amount;
use database::schema::promotions;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shop::{CouponCode, Promotion, PromotionKind};

use super::Unusable;

/// The active promotions by code.
pub(super) async fn read_promotions(
    connection: &mut AsyncPgConnection,
) -> Result<HashMap<String, Promotion>, Unusable> {
    type Row = (
        String,
        String,
        Amount,
        i32,
        Option<Amount>,
        Option<DateTime<Utc>>,
        Option<DateTime<Utc>>,
        Option<i64>,
    );
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
        .load(connection)
        .await?;
    rows.into_iter()
        .map(
            |(code, kind, Amount(value), min_items, max_discount, starts_at, ends_at, max_uses)| {
                let row = |problem: String| Unusable::Row(format!("promotions {code}: {problem}"));
                let promotion = Promotion {
                    code: CouponCode::parse(code.as_str()).map_err(|problem| row(problem.to_string()))?,
                    kind: PromotionKind::new(&kind, value).map_err(|problem| row(problem.to_string()))?,
                    min_items: u32::try_from(min_items).map_err(|problem| row(problem.to_string()))?,
                    max_discount: max_discount.map(|Amount(most)| most),
                    starts_at,
                    ends_at,
                    max_uses: max_uses
                        .map(u64::try_from)
                        .transpose()
                        .map_err(|problem| row(problem.to_string()))?,
                };
                Ok((code, promotion))
            },
        )
        .collect()
}
