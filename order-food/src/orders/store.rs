use std::time::Duration;

use database::amount::Amount;
use database::pool::{NoConnection, Pool};
use database::schema::{order_items, orders};
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_types::{BigInt, Text};
use diesel_async::{AnsiTransactionManager, AsyncPgConnection, RunQueryDsl, TransactionManager};
use tokio::time::{Instant, timeout_at};
use tracing::warn;
use uuid::Uuid;

use super::NewOrder;
use crate::metrics::ShopMetrics;
use crate::spans;

/// Where orders are stored: one transaction per order.
pub(crate) struct OrderStore {
    pool: Pool,
    deadline: Duration,
    metrics: ShopMetrics,
}

/// Why an order was not stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotStored {
    /// The promotion was used as often as it may be.
    #[error("the coupon code has been used up")]
    SoldOut,
    /// It is certain that the order is not stored; it may be tried again.
    #[error("the order could not be stored")]
    Unavailable(#[source] Cause),
    /// The connection was lost around COMMIT and could not be asked again in time: the order may be stored.
    #[error("whether order {0} was stored is not known")]
    Unknown(Uuid),
    /// The database refuses the order's data: our mistake.
    #[error("the database refuses the order")]
    Refused(#[source] Error),
}

/// What the last attempt met.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    #[error(transparent)]
    Connection(#[from] NoConnection),
    #[error(transparent)]
    Statement(Error),
    #[error("the deadline passed")]
    Late,
}

/// How one attempt ended without success.
enum Attempt {
    SoldOut,
    /// Nothing was committed by this attempt.
    Undone(Cause),
    /// COMMIT was sent, and its outcome did not come back.
    InDoubt,
}

const PAUSE: Duration = Duration::from_millis(50);

impl OrderStore {
    /// Stores within `deadline`, or says why not.
    pub(crate) fn new(pool: Pool, deadline: Duration, metrics: ShopMetrics) -> OrderStore {
        OrderStore {
            pool,
            deadline,
            metrics,
        }
    }

    /// Stores the order with its lines and counts its promotion's use, all or nothing, and returns after COMMIT.
    ///
    /// After a lost connection the same order is stored again under the same id: `ON CONFLICT DO NOTHING` waits for the
    /// transaction that may still be running and finds what it committed. A mere look would not: it sees nothing while
    /// the old transaction is still about to commit.
    pub(crate) async fn store(&self, new: &NewOrder) -> Result<(), NotStored> {
        let started = Instant::now();
        let deadline = started + self.deadline;
        let mut in_doubt = false;
        loop {
            let cause = match self.attempt(new, deadline).await {
                Ok(()) => {
                    self.metrics.committed(started.elapsed());
                    return Ok(());
                }
                Err(Attempt::SoldOut) => return Err(NotStored::SoldOut),
                Err(Attempt::Undone(Cause::Statement(error))) if is_our_mistake(&error) => {
                    return Err(NotStored::Refused(error));
                }
                Err(Attempt::Undone(cause)) => cause,
                Err(Attempt::InDoubt) => {
                    warn!(order.id = %new.order.id, "the connection was lost around COMMIT; storing the order again");
                    in_doubt = true;
                    Cause::Late
                }
            };
            if Instant::now() + PAUSE >= deadline {
                let id = new.order.id;
                return Err(if in_doubt {
                    NotStored::Unknown(id)
                } else {
                    NotStored::Unavailable(cause)
                });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn attempt(&self, new: &NewOrder, deadline: Instant) -> Result<(), Attempt> {
        let late = |_| Attempt::Undone(Cause::Late);
        let loan = timeout_at(deadline, self.pool.get()).await.map_err(late)?;
        let mut connection = loan.map_err(|error| Attempt::Undone(error.into()))?;
        // Dropped in mid-transaction, a connection counts as broken and is not lent again.
        timeout_at(deadline, write(&mut connection, new))
            .await
            .map_err(late)??;
        let commit = spans::database(
            "COMMIT orders",
            AnsiTransactionManager::commit_transaction(&mut *connection),
        );
        match timeout_at(deadline, commit).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Attempt::InDoubt),
        }
    }
}

/// Everything but COMMIT. The limited promotion comes last: its row stays locked until COMMIT.
async fn write(connection: &mut AsyncPgConnection, new: &NewOrder) -> Result<(), Attempt> {
    let undone = |error| Attempt::Undone(Cause::Statement(error));
    AnsiTransactionManager::begin_transaction(connection)
        .await
        .map_err(undone)?;
    let written = spans::database("INSERT orders", insert_order(connection, new))
        .await
        .map_err(undone)?;
    if written == 0 {
        // An earlier attempt committed it, whole.
        return Ok(());
    }
    spans::database("INSERT order_items", insert_lines(connection, new))
        .await
        .map_err(undone)?;
    if let (Some(limit), Some(code)) = (new.limited_to, &new.order.coupon_code) {
        let used = spans::database(
            "INSERT promotion_uses",
            count_use(connection, code.as_str(), limit),
        );
        if used.await.map_err(undone)? == 0 {
            AnsiTransactionManager::rollback_transaction(connection)
                .await
                .map_err(undone)?;
            return Err(Attempt::SoldOut);
        }
    }
    Ok(())
}

/// The number of rows written: 0 when the id is there already.
async fn insert_order(connection: &mut AsyncPgConnection, new: &NewOrder) -> QueryResult<usize> {
    let order = &new.order;
    diesel::insert_into(orders::table)
        .values((
            orders::id.eq(order.id),
            orders::api_key_id.eq(order.api_key),
            orders::coupon_code.eq(order.coupon_code.as_ref().map(|code| code.as_str())),
            orders::subtotal.eq(Amount(order.totals.subtotal)),
            orders::discount.eq(Amount(order.totals.discount)),
            orders::total.eq(Amount(order.totals.total)),
        ))
        .on_conflict(orders::id)
        .do_nothing()
        .execute(connection)
        .await
}

async fn insert_lines(connection: &mut AsyncPgConnection, new: &NewOrder) -> QueryResult<usize> {
    let rows: Vec<_> = (1i16..)
        .zip(&new.order.lines)
        .map(|(position, line)| {
            (
                order_items::order_id.eq(new.order.id),
                order_items::line.eq(position),
                order_items::product_id.eq(line.product.number()),
                order_items::product_name.eq(line.name.as_str()),
                order_items::category.eq(line.category.as_str()),
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

/// Counts one use of the promotion; 0 rows when it has been used `limit` times. Locks the promotion's row.
async fn count_use(connection: &mut AsyncPgConnection, code: &str, limit: u64) -> QueryResult<usize> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    diesel::sql_query(COUNT_USE)
        .bind::<Text, _>(code)
        .bind::<BigInt, _>(limit)
        .execute(connection)
        .await
}

/// A broken constraint: no repetition changes that.
fn is_our_mistake(error: &Error) -> bool {
    use DatabaseErrorKind::{CheckViolation, ForeignKeyViolation, NotNullViolation, UniqueViolation};
    match error {
        Error::DatabaseError(kind, _) => {
            matches!(
                kind,
                CheckViolation | ForeignKeyViolation | NotNullViolation | UniqueViolation
            )
        }
        Error::SerializationError(_) | Error::QueryBuilderError(_) => true,
        _ => false,
    }
}
