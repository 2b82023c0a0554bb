//! order-food with one transaction per order, over a pool of `POOL_SIZE` connections.

use std::sync::Arc;
use std::time::Duration;

use database::Database;
use database::amount::Amount;
use database::pool::{NoConnection, Pool};
use database::schema::{order_items, orders};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel_async::{AnsiTransactionManager, AsyncPgConnection, RunQueryDsl, TransactionManager};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use order_food::Settings;
use order_food::orders::{CouponCheck, NewOrder, NotStored, Order, Stored, Substitute, Unredeemable};
use process::failure::{ExitCode, Failure, OrExit};
use tokio::time::{Instant, timeout_at};

struct OneTransaction(Pool);

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error(transparent)]
    Connection(#[from] NoConnection),
    #[error(transparent)]
    Statement(#[from] diesel::result::Error),
    #[error("the deadline passed")]
    Late,
}

impl Substitute for OneTransaction {
    fn store(&self, new: NewOrder, deadline: Instant) -> LocalBoxFuture<'_, Result<Stored, NotStored>> {
        async move {
            let stored = timeout_at(deadline, self.write(&new)).await;
            match stored.unwrap_or(Err(Problem::Late)) {
                Ok(true) => Ok(Stored::Now),
                Ok(false) => Err(Unredeemable::SoldOut.into()),
                Err(problem) => Err(NotStored::Unavailable(Arc::new(problem))),
            }
        }
        .boxed_local()
    }
}

impl OneTransaction {
    fn new(settings: &Settings) -> Result<OneTransaction, Failure> {
        let database = Database::new(&settings.database, "bench").or_exit(ExitCode::Usage, "settings")?;
        let wait = Duration::from_secs(settings.order_deadline_s);
        Ok(OneTransaction(Pool::new(&database, settings.pool_size, wait)))
    }

    /// Whether the order was stored: false when its promotion is sold out.
    async fn write(&self, new: &NewOrder) -> Result<bool, Problem> {
        let mut connection = self.0.get().await?;
        AnsiTransactionManager::begin_transaction(&mut *connection).await?;
        insert_order(&mut connection, &new.order).await?;
        insert_lines(&mut connection, &new.order).await?;
        if let (CouponCheck::Counted(limit), Some(code)) = (new.coupon_check, &new.order.coupon_code)
            && count_use(&mut connection, code.as_str(), limit).await? == 0
        {
            AnsiTransactionManager::rollback_transaction(&mut *connection).await?;
            connection.release();
            return Ok(false);
        }
        AnsiTransactionManager::commit_transaction(&mut *connection).await?;
        connection.release();
        Ok(true)
    }
}

async fn insert_order(connection: &mut AsyncPgConnection, order: &Order) -> QueryResult<usize> {
    diesel::insert_into(orders::table)
        .values((
            orders::id.eq(order.id),
            orders::api_key_id.eq(order.api_key),
            orders::coupon_code.eq(order.coupon_code.as_ref().map(|code| code.as_str())),
            orders::subtotal.eq(Amount(order.totals.subtotal)),
            orders::discount.eq(Amount(order.totals.discount)),
            orders::total.eq(Amount(order.totals.total)),
        ))
        .execute(connection)
        .await
}

async fn insert_lines(connection: &mut AsyncPgConnection, order: &Order) -> QueryResult<usize> {
    let rows: Vec<_> = (1i16..)
        .zip(&order.lines)
        .map(|(position, line)| {
            (
                order_items::order_id.eq(order.id),
                order_items::line.eq(position),
                order_items::product_id.eq(line.product.number()),
                order_items::product_name.eq(&*line.name),
                order_items::category.eq(&*line.category),
                order_items::unit_price.eq(Amount(line.unit_price)),
                order_items::quantity.eq(i32::from(line.quantity.units())),
            )
        })
        .collect();
    diesel::insert_into(order_items::table)
        .values(rows)
        .execute(connection)
        .await
}

const COUNT_USE: &str = "
    INSERT INTO promotion_uses (code, uses)
    SELECT $1, 1 WHERE $2 > 0
    ON CONFLICT (code) DO UPDATE SET uses = promotion_uses.uses + 1
    WHERE promotion_uses.uses < $2";

/// Counts one use of the promotion; 0 rows when it has been used `limit` times. Locks the
/// promotion's row.
async fn count_use(connection: &mut AsyncPgConnection, code: &str, limit: u64) -> QueryResult<usize> {
    diesel::sql_query(COUNT_USE)
        .bind::<Text, _>(code)
        .bind::<BigInt, _>(i64::try_from(limit).unwrap_or(i64::MAX))
        .execute(connection)
        .await
}

fn main() -> std::process::ExitCode {
    order_food_bench::serve(|settings| Ok(Arc::new(OneTransaction::new(settings)?)))
}
