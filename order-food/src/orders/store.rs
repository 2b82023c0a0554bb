use std::time::Duration;

use database::amount::Amount;
use database::pool::{LOCK_TIMEOUT, Loan, NoConnection, Pool, is_lost};
use database::schema::{order_items, orders};
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_types::{BigInt, Text};
use diesel_async::{AnsiTransactionManager, AsyncPgConnection, RunQueryDsl, TransactionManager};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tracing::warn;
use uuid::Uuid;

use super::NewOrder;
use crate::metrics::ShopMetrics;
use crate::spans;

/// Where orders are stored: one transaction per order.
pub(crate) struct OrderStore {
    pool: Pool,
    metrics: ShopMetrics,
    /// Orders with a limited promotion queue for its row; they get half of the connections, so that others go on.
    limited: Semaphore,
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
    #[error("whether order {id} was stored is not known")]
    Unknown {
        /// The id that it has if it was.
        id: Uuid,
        /// What the last attempt met.
        #[source]
        cause: Cause,
    },
    /// The database refuses the order's data: our mistake.
    #[error("the database refuses the order")]
    Refused(#[source] Error),
}

/// What an attempt met.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    #[error(transparent)]
    Connection(#[from] NoConnection),
    #[error("the statement failed")]
    Statement(#[source] Error),
    #[error("the answer to COMMIT was lost")]
    Commit,
    #[error("the deadline passed")]
    Late,
}

/// How an attempt ended without success.
enum Attempt {
    SoldOut,
    /// Nothing was committed by this attempt.
    Undone(Cause),
    /// COMMIT was sent, and its outcome did not come back.
    InDoubt,
}

/// Pauses between attempts: doubled each time, up to the longest.
const PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// Repetitions after an error that the server answered with and that may be a passing one: a session shut down, a deadlock, a
/// plan that a migration outdated, a lock or a statement that took too long.
const MOST_REPETITIONS: u32 = 2;
/// So long before the deadline the server stops waiting for a lock: whoever hangs up on a statement leaves a session that
/// waits on, beside the pool's.
const LOCK_MARGIN: Duration = Duration::from_millis(100);

impl OrderStore {
    /// A store over the connections of `pool`.
    pub(crate) fn new(pool: Pool, metrics: ShopMetrics) -> OrderStore {
        let limited = Semaphore::new((pool.usage().most / 2).max(1));
        OrderStore {
            pool,
            metrics,
            limited,
        }
    }

    /// Stores the order with its lines and counts its promotion's use, all or nothing, and returns after COMMIT.
    ///
    /// After a lost connection the same order is stored again under the same id: `ON CONFLICT DO NOTHING` waits for the
    /// transaction that may still be running and finds what it committed. A mere look would not: it sees nothing while
    /// the old transaction is still about to commit.
    ///
    /// # Errors
    /// [`NotStored`], by the deadline.
    pub(crate) async fn store(&self, new: &NewOrder, deadline: Instant) -> Result<(), NotStored> {
        let started = Instant::now();
        let _turn = match new.limited_to {
            Some(_) => timeout_at(deadline, self.limited.acquire())
                .await
                .map_err(|_| NotStored::Unavailable(Cause::Late))?
                .ok(),
            None => None,
        };
        let mut in_doubt = false;
        let mut pause = PAUSE;
        let mut last = None;
        for attempt in 0.. {
            let cause = match self.attempt(new, deadline).await {
                Ok(()) => {
                    self.metrics.committed(started.elapsed());
                    return Ok(());
                }
                Err(Attempt::SoldOut) => return Err(NotStored::SoldOut),
                Err(Attempt::Undone(cause)) => cause,
                Err(Attempt::InDoubt) => {
                    warn!(order.id = %new.order.id, request_id = spans::request_id(), "the answer to COMMIT was lost; storing again");
                    in_doubt = true;
                    Cause::Commit
                }
            };
            if !in_doubt && !is_passing(&cause, attempt) {
                return Err(match cause {
                    Cause::Statement(error) if is_our_mistake(&error) => NotStored::Refused(error),
                    cause => NotStored::Unavailable(cause),
                });
            }
            // What came before the deadline explains more than the deadline.
            let late = matches!(cause, Cause::Late) || Instant::now() + pause >= deadline;
            last = if matches!(cause, Cause::Late) {
                last.or(Some(cause))
            } else {
                Some(cause)
            };
            if late {
                break;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        let cause = last.unwrap_or(Cause::Late);
        Err(if in_doubt {
            NotStored::Unknown {
                id: new.order.id,
                cause,
            }
        } else {
            NotStored::Unavailable(cause)
        })
    }

    async fn attempt(&self, new: &NewOrder, deadline: Instant) -> Result<(), Attempt> {
        let late = |_| Attempt::Undone(Cause::Late);
        if deadline <= Instant::now() {
            return Err(Attempt::Undone(Cause::Late));
        }
        let loan = timeout_at(deadline, self.pool.get()).await.map_err(late)?;
        let mut loan = loan.map_err(|error| Attempt::Undone(error.into()))?;
        match timeout_at(deadline, write(&mut loan, new, deadline))
            .await
            .map_err(late)?
        {
            Ok(()) => {}
            Err(attempt) => return Err(undo(loan, attempt, deadline).await),
        }
        let commit = spans::database(
            "COMMIT orders",
            AnsiTransactionManager::commit_transaction(&mut *loan),
        );
        match timeout_at(deadline, commit).await {
            Ok(Ok(())) => {
                loan.keep();
                Ok(())
            }
            Ok(Err(_)) | Err(_) => Err(Attempt::InDoubt),
        }
    }
}

/// Rolls back what the server answered, and gives the connection back. One that is lost is closed, and one that is read-only:
/// it would stay so for life, while the next may find a server that takes orders.
async fn undo(mut loan: Loan, attempt: Attempt, deadline: Instant) -> Attempt {
    if matches!(&attempt, Attempt::Undone(Cause::Statement(error)) if is_lost(error) || is_read_only(error)) {
        return attempt;
    }
    let rollback = AnsiTransactionManager::rollback_transaction(&mut *loan);
    if matches!(timeout_at(deadline, rollback).await, Ok(Ok(()))) {
        loan.keep();
    }
    attempt
}

/// Everything but COMMIT. The limited promotion comes last: its row stays locked until COMMIT.
async fn write(connection: &mut AsyncPgConnection, new: &NewOrder, deadline: Instant) -> Result<(), Attempt> {
    let undone = |error| Attempt::Undone(Cause::Statement(error));
    AnsiTransactionManager::begin_transaction_sql(connection, &begin(deadline - Instant::now()))
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
            return Err(Attempt::SoldOut);
        }
    }
    Ok(())
}

/// BEGIN for an order that has `left` until its deadline.
fn begin(left: Duration) -> String {
    let wait = left.saturating_sub(LOCK_MARGIN).min(LOCK_TIMEOUT);
    // 0 would mean without limit.
    format!("BEGIN; SET LOCAL lock_timeout = {}", wait.as_millis().max(1))
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

/// Whether another attempt may succeed where attempt number `attempt` (from 0) did not.
fn is_passing(cause: &Cause, attempt: u32) -> bool {
    match cause {
        Cause::Statement(error) if is_lost(error) => true,
        Cause::Statement(Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _)) => true,
        Cause::Statement(error) if is_read_only(error) => false,
        Cause::Statement(error) => !is_our_mistake(error) && attempt < MOST_REPETITIONS,
        // Its wait is over already: the pool is busy.
        Cause::Connection(NoConnection::Busy(_)) => false,
        Cause::Connection(NoConnection::Failed(_)) | Cause::Commit | Cause::Late => true,
    }
}

fn is_read_only(error: &Error) -> bool {
    matches!(
        error,
        Error::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _)
    )
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
