//! Orders with their lines, in one statement.

use database::amount::Amount;
use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shop::{CouponCode, ProductId, Quantity, Totals};
use uuid::Uuid;

use super::{Cursor, Order, OrderLine};
use crate::reference_data::ApiKeyId;

/// Orders with their lines: a row for each line, the newest order first, its lines in order.
///
/// The text is all that a connection caches it under. Its plan must be good whatever the values
/// are, because planning takes longer than reading: the number of rows of a page stands in the
/// text, `OFFSET 0` keeps the lines an index scan for each order, and the key is the range of an
/// index that has it first (by `=`, a key with few orders may be searched among all orders). The
/// key is a `SELECT` of its own: from its value the planner expects one order, and sorts all that
/// there are instead of merging the partitions' indexes.
pub(super) enum WithLines<'a> {
    /// Those of these orders that exist.
    Of(&'a [Uuid]),
    /// Those of this page.
    Page(Page),
}

/// The newest `limit` orders before `before` (`None`: the newest of all), newest first, of the key
/// `key` (`None`: of any).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) before: Option<Cursor>,
    pub(crate) limit: usize,
    pub(crate) key: Option<ApiKeyId>,
}

/// After each order: as a bound it makes the four kinds of pages two statements.
const AFTER_ALL: Uuid = Uuid::max();

const ORDERS: &str = "
    SELECT placed.id, placed.api_key_id, placed.coupon_code, placed.subtotal, placed.discount, placed.total,
        item.product_id, item.product_name, item.category, item.unit_price, item.quantity
    FROM (
        SELECT id, api_key_id, coupon_code, subtotal, discount, total FROM orders WHERE ";

const LINES: &str = "
    ) AS placed
    LEFT JOIN LATERAL (
        SELECT line, product_id, product_name, category, unit_price, quantity
        FROM order_items WHERE order_id = placed.id
        OFFSET 0
    ) AS item ON true
    ORDER BY placed.id DESC, item.line";

type OrderColumns = (Uuid, Uuid, Option<String>, Amount, Amount, Amount);
type LineColumns = (
    Option<i64>,
    Option<String>,
    Option<String>,
    Option<Amount>,
    Option<i32>,
);

impl WithLines<'_> {
    /// The orders, the newest first.
    pub(super) async fn load(self, connection: &mut AsyncPgConnection) -> QueryResult<Vec<Order>> {
        let rows: Vec<(OrderColumns, LineColumns)> = RunQueryDsl::load(self, connection).await?;
        let mut orders: Vec<Order> = Vec::new();
        for (order, line) in rows {
            let line = order_line(line)?;
            match orders.last_mut() {
                Some(last) if last.id == order.0 => last.lines.extend(line),
                _ => orders.push(order_of(order, line)?),
            }
        }
        Ok(orders)
    }
}

impl QueryFragment<Pg> for WithLines<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(ORDERS);
        match self {
            WithLines::Of(ids) => {
                out.push_sql("id = ANY(");
                out.push_bind_param::<sql_types::Array<sql_types::Uuid>, _>(*ids)?;
                out.push_sql(")");
            }
            WithLines::Page(Page { before, limit, key }) => {
                let before = before.as_ref().unwrap_or(&AFTER_ALL);
                out.push_sql("id < ");
                out.push_bind_param::<sql_types::Uuid, _>(before)?;
                match key {
                    None => out.push_sql(" ORDER BY id DESC"),
                    Some(key) => {
                        out.push_sql(" AND (api_key_id, id) < ((SELECT ");
                        out.push_bind_param::<sql_types::Uuid, _>(key)?;
                        out.push_sql("), (SELECT ");
                        out.push_bind_param::<sql_types::Uuid, _>(before)?;
                        out.push_sql(")) AND api_key_id >= (SELECT ");
                        out.push_bind_param::<sql_types::Uuid, _>(key)?;
                        out.push_sql(") ORDER BY api_key_id DESC, id DESC");
                    }
                }
                out.push_sql(&format!(" LIMIT {limit}"));
            }
        }
        out.push_sql(LINES);
        Ok(())
    }
}

impl QueryId for WithLines<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for WithLines<'_> {
    type SqlType = (
        (
            sql_types::Uuid,
            sql_types::Uuid,
            sql_types::Nullable<sql_types::Text>,
            sql_types::Numeric,
            sql_types::Numeric,
            sql_types::Numeric,
        ),
        (
            sql_types::Nullable<sql_types::BigInt>,
            sql_types::Nullable<sql_types::Text>,
            sql_types::Nullable<sql_types::Text>,
            sql_types::Nullable<sql_types::Numeric>,
            sql_types::Nullable<sql_types::Integer>,
        ),
    );
}

fn order_of(row: OrderColumns, line: Option<OrderLine>) -> QueryResult<Order> {
    let (id, api_key, coupon_code, Amount(subtotal), Amount(discount), Amount(total)) = row;
    Ok(Order {
        id,
        api_key,
        lines: line.into_iter().collect(),
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

/// `None`: the order has no lines.
fn order_line(row: LineColumns) -> QueryResult<Option<OrderLine>> {
    let (Some(product), Some(name), Some(category), Some(Amount(unit_price)), Some(quantity)) = row else {
        return Ok(None);
    };
    Ok(Some(OrderLine {
        product: ProductId::new(product).map_err(unreadable)?,
        name: name.into(),
        category: category.into(),
        unit_price,
        quantity: Quantity::new(quantity.into()).map_err(unreadable)?,
    }))
}

fn unreadable<E: std::error::Error + Send + Sync + 'static>(error: E) -> diesel::result::Error {
    diesel::result::Error::DeserializationError(Box::new(error))
}
