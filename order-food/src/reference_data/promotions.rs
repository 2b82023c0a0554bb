//! The active promotions, as rows of the snapshot.

use std::collections::HashMap;

use database::rows::{Attempt, PromotionRow};
use database::schema::promotions;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shop::Promotion;

use super::table::{SkippedRows, served};

/// The active promotions by code.
pub(super) async fn read_promotions(
    connection: &mut AsyncPgConnection,
) -> QueryResult<(HashMap<String, Promotion>, SkippedRows)> {
    let rows: Vec<(String, Attempt<PromotionRow>)> = promotions::table
        .select((promotions::code, Attempt::<PromotionRow>::as_select()))
        .filter(promotions::active)
        .order(promotions::code)
        .load(connection)
        .await?;
    let (promotions, skipped): (Vec<Promotion>, _) = served(rows);
    let by_code = promotions
        .into_iter()
        .map(|promotion| (promotion.code.as_str().to_owned(), promotion));
    Ok((by_code.collect(), skipped))
}
