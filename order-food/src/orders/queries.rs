//! Reads of stored orders.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use database::amount::Amount;
use database::schema::{coupon_codes, order_items, orders, promotion_uses};
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shop::{CouponCode, ProductId, Quantity, Totals};
use uuid::Uuid;

use super::{CouponCheck, Cursor, Order, OrderLine, Unredeemable};
use crate::reference_data::ApiKeyId;

type OrderRow = (Uuid, Uuid, Option<String>, Amount, Amount, Amount);
type LineRow = (Uuid, i64, String, String, Amount, i32);

const COLUMNS: (
    orders::id,
    orders::api_key_id,
    orders::coupon_code,
    orders::subtotal,
    orders::discount,
    orders::total,
) = (
    orders::id,
    orders::api_key_id,
    orders::coupon_code,
    orders::subtotal,
    orders::discount,
    orders::total,
);

/// The order with this id, of the key `key` (`None`: of any).
pub(super) async fn order(
    connection: &mut AsyncPgConnection,
    id: Uuid,
    key: Option<ApiKeyId>,
) -> QueryResult<Option<Order>> {
    let row = orders::table.select(COLUMNS).find(id);
    let row: Option<OrderRow> = match key {
        Some(key) => row
            .filter(orders::api_key_id.eq(key))
            .first(connection)
            .await
            .optional()?,
        None => row.first(connection).await.optional()?,
    };
    Ok(with_lines(connection, row.into_iter().collect()).await?.pop())
}

/// Those of these orders that exist, the newest first.
pub(crate) async fn orders_of(connection: &mut AsyncPgConnection, ids: &[Uuid]) -> QueryResult<Vec<Order>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<OrderRow> = orders::table
        .select(COLUMNS)
        .filter(orders::id.eq_any(ids))
        .order(orders::id.desc())
        .load(connection)
        .await?;
    with_lines(connection, rows).await
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

/// The newest `limit` orders before `before` (`None`: the newest of all), newest first, of the key
/// `key` (`None`: of any). The cost is that of one page, however many orders there are: ids sort by
/// time, and (key, id) is indexed.
pub(super) async fn orders_before(
    connection: &mut AsyncPgConnection,
    before: Option<Cursor>,
    limit: i64,
    key: Option<ApiKeyId>,
) -> QueryResult<Vec<Order>> {
    // Every UUID of an order is below the largest one, so that the four cases are two statements.
    let before = before.unwrap_or(Uuid::max());
    let page = orders::table
        .select(COLUMNS)
        .filter(orders::id.lt(before))
        .order(orders::id.desc())
        .limit(limit);
    let rows: Vec<OrderRow> = match key {
        Some(key) => page.filter(orders::api_key_id.eq(key)).load(connection).await?,
        None => page.load(connection).await?,
    };
    with_lines(connection, rows).await
}

/// These orders with the times at which they were stored, in this order.
pub(crate) async fn orders_at(
    connection: &mut AsyncPgConnection,
    times: Vec<(DateTime<Utc>, Uuid)>,
) -> QueryResult<Vec<(DateTime<Utc>, Order)>> {
    let ids: Vec<Uuid> = times.iter().map(|(_, id)| *id).collect();
    let rows: Vec<OrderRow> = orders::table
        .select(COLUMNS)
        .filter(orders::id.eq_any(ids))
        .load(connection)
        .await?;
    let found = with_lines(connection, rows).await?;
    let mut by_id: HashMap<Uuid, Order> = found.into_iter().map(|order| (order.id, order)).collect();
    let timed = |(time, id): (DateTime<Utc>, Uuid)| Some((time, by_id.remove(&id)?));
    Ok(times.into_iter().filter_map(timed).collect())
}

async fn with_lines(connection: &mut AsyncPgConnection, rows: Vec<OrderRow>) -> QueryResult<Vec<Order>> {
    use order_items::{category, line, order_id, product_id, product_name, quantity, unit_price};
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = rows.iter().map(|row| row.0).collect();
    let lines: Vec<LineRow> = order_items::table
        .select((order_id, product_id, product_name, category, unit_price, quantity))
        .filter(order_id.eq_any(ids))
        .order((order_id, line))
        .load(connection)
        .await?;
    let mut by_order: HashMap<Uuid, Vec<OrderLine>> = HashMap::with_capacity(rows.len());
    for row in lines {
        let order = row.0;
        by_order.entry(order).or_default().push(order_line(row)?);
    }
    rows.into_iter().map(|row| order_of(row, &mut by_order)).collect()
}

fn order_of(row: OrderRow, lines: &mut HashMap<Uuid, Vec<OrderLine>>) -> QueryResult<Order> {
    let (id, api_key, coupon_code, Amount(subtotal), Amount(discount), Amount(total)) = row;
    Ok(Order {
        id,
        api_key,
        lines: lines.remove(&id).unwrap_or_default(),
        coupon_code: coupon_code
            .map(CouponCode::parse)
            .transpose()
            .map_err(unreadable)?,
        totals: Totals {
            subtotal,
            discount,
            total,
        },
    })
}

fn order_line(row: LineRow) -> QueryResult<OrderLine> {
    let (_, product, name, category, Amount(unit_price), quantity) = row;
    Ok(OrderLine {
        product: ProductId::new(product).map_err(unreadable)?,
        name: name.into(),
        category: category.into(),
        unit_price,
        quantity: Quantity::new(quantity.into()).map_err(unreadable)?,
    })
}

fn unreadable<E: std::error::Error + Send + Sync + 'static>(error: E) -> diesel::result::Error {
    diesel::result::Error::DeserializationError(Box::new(error))
}
