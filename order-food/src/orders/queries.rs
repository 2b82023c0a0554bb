//! Reads of stored orders.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use database::schema::{coupon_codes, orders, promotion_uses};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shop::CouponCode;
use uuid::Uuid;

use super::with_lines::{Page, WithLines};
use super::{CouponCheck, Order, Unredeemable};

/// Those of these orders that exist, the newest first.
pub(crate) async fn orders_of(connection: &mut AsyncPgConnection, ids: &[Uuid]) -> QueryResult<Vec<Order>> {
    match ids {
        [] => Ok(Vec::new()),
        ids => WithLines::Of(ids).load(connection).await,
    }
}

/// Why the coupon could not be redeemed now, as far as `check` depends on the database.
pub(crate) async fn coupon_use(
    connection: &mut AsyncPgConnection,
    code: &CouponCode,
    check: CouponCheck,
) -> QueryResult<Option<Unredeemable>> {
    match check {
        CouponCheck::None => Ok(None),
        CouponCheck::Counted(most) => {
            let uses = promotion_uses::table
                .find(code.as_str())
                .select(promotion_uses::uses);
            let uses: Option<i64> = uses.first(connection).await.optional()?;
            let is_used_up = u64::try_from(uses.unwrap_or(0)).is_ok_and(|uses| uses >= most);
            Ok(is_used_up.then_some(Unredeemable::SoldOut))
        }
        CouponCheck::Listed(version) => {
            let listed = exists(coupon_codes::table.find((version, code.as_str())));
            let is_listed: bool = diesel::select(listed).get_result(connection).await?;
            Ok((!is_listed).then_some(Unredeemable::Unknown))
        }
    }
}

/// Whether the order is on disk.
pub(super) async fn is_stored(connection: &mut AsyncPgConnection, id: Uuid) -> QueryResult<bool> {
    diesel::select(exists(orders::table.find(id)))
        .get_result(connection)
        .await
}

/// The orders of the page. The cost is that of one page, however many orders there are: ids sort by
/// time, and (key, id) is indexed.
pub(super) async fn orders_before(connection: &mut AsyncPgConnection, page: Page) -> QueryResult<Vec<Order>> {
    WithLines::Page(page).load(connection).await
}

/// These orders with the times at which they were stored, in this order.
pub(crate) async fn orders_at(
    connection: &mut AsyncPgConnection,
    times: Vec<(DateTime<Utc>, Uuid)>,
) -> QueryResult<Vec<(DateTime<Utc>, Order)>> {
    let ids: Vec<Uuid> = times.iter().map(|(_, id)| *id).collect();
    let found = orders_of(connection, &ids).await?;
    let mut by_id: HashMap<Uuid, Order> = found.into_iter().map(|order| (order.id, order)).collect();
    let timed = |(time, id): (DateTime<Utc>, Uuid)| Some((time, by_id.remove(&id)?));
    Ok(times.into_iter().filter_map(timed).collect())
}
