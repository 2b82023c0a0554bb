use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use database::Database;
use database::pool::LOCK_TIMEOUT;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error, Row, Statement};

use super::SilentFor;
use super::batch::{
    Checks, Claims, Columns, Marks, has_claims, has_listed, limited_codes, needs_checks, versions,
};
use super::statement::{BEGIN_COUNTING, STORE, STORE_CHECKED, STORE_CLAIMING, STORE_LISTED};
use super::ticket::{Pending, Verdict};
use super::trouble::Trouble;
use crate::orders::Cause;

/// A connection with the writer's statements prepared on it.
pub(super) struct Link {
    client: Client,
    store: Statement,
    store_claiming: Statement,
    store_listed: Statement,
    store_checked: Statement,
    begin_counting: Statement,
    /// Promotions whose counting has begun.
    counting: Mutex<HashSet<String>>,
    /// So many more batches with Idempotency-Keys are checked, since one met a key that was taken.
    wary: AtomicU32,
}

/// How long one statement may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Until the server cancels it, and until we take the connection for lost.
    pub(super) statement: Duration,
    /// Until it stops waiting for a lock.
    lock: Duration,
}

/// So long before we give up a connection, the server gives up the statement: then it is certain that nothing is stored, and no
/// session is left behind that waits on.
const MARGIN: Duration = Duration::from_millis(100);

/// Where one request is repeated, others are: so many batches are then checked at once, and not only when they are refused.
const WARY: u32 = 64;

impl Limits {
    /// Half of what an order has, so that there is time for another attempt; not more than the settings let a statement run.
    pub(super) fn new(order_deadline: Duration, statement_timeout: Duration) -> Limits {
        let half = order_deadline / 2;
        let statement = match statement_timeout {
            Duration::ZERO => half,
            limit => half.min(limit),
        };
        Limits {
            statement,
            // Two statements may wait one after the other, the second since the first was sent.
            lock: (statement.saturating_sub(MARGIN) / 2).min(LOCK_TIMEOUT),
        }
    }

    /// Session settings. Plans are made once and never from what a table holds at that moment: on an empty one the planner
    /// would choose a sequential scan and keep it.
    fn session(&self) -> String {
        format!(
            "SET statement_timeout = {}; SET lock_timeout = {}; SET idle_session_timeout = 0;
             SET default_transaction_isolation = 'read committed';
             SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET jit = off;
             SET TIME ZONE 'UTC'",
            self.statement.saturating_sub(MARGIN).as_millis().max(1),
            self.lock.as_millis().max(1),
        )
    }
}

impl Link {
    /// Connects and prepares.
    ///
    /// # Errors
    /// Whatever stands in the way, within twice the connect time-out and the limits of a few statements.
    pub(super) async fn open(database: &Database, limits: Limits) -> Result<Link, Cause> {
        let client = database.connect().await.map_err(cause)?;
        let prepared = async {
            client.batch_execute(&limits.session()).await?;
            Ok((
                client.prepare(STORE).await?,
                client.prepare(STORE_CLAIMING).await?,
                client.prepare(STORE_LISTED).await?,
                client.prepare(STORE_CHECKED).await?,
                client.prepare(BEGIN_COUNTING).await?,
            ))
        };
        let prepared = timeout(limits.statement * 2, prepared);
        let (store, store_claiming, store_listed, store_checked, begin_counting) = prepared
            .await
            .map_err(|_| cause(SilentFor(limits.statement * 2)))?
            .map_err(cause::<Error>)?;
        Ok(Link {
            client,
            store,
            store_claiming,
            store_listed,
            store_checked,
            begin_counting,
            counting: Mutex::default(),
            wary: AtomicU32::new(0),
        })
    }

    /// Whether it is known to have ended.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Writes the batch in one transaction and returns after COMMIT; `None`: that order is to be tried again. For ever where the
    /// server is silent: see [`within`].
    ///
    /// # Errors
    /// [`Trouble`].
    pub(super) async fn write(&self, batch: &[Pending]) -> Result<Vec<Option<Verdict>>, Trouble> {
        let (claims, listed) = (has_claims(batch), has_listed(batch));
        let written = if needs_checks(batch) || (claims && listed) {
            self.write_checked(batch).await
        } else if claims {
            self.write_claiming(batch).await
        } else if listed {
            self.write_listed(batch).await
        } else {
            let columns = Columns::of(batch);
            let stored = self.client.execute(&self.store, &columns.parameters()).await;
            stored.map(|_| vec![Some(Verdict::Stored); batch.len()])
        };
        written.map_err(Trouble::of)
    }

    async fn write_listed(&self, batch: &[Pending]) -> Result<Vec<Option<Verdict>>, Error> {
        let (columns, versions) = (Columns::of(batch), versions(batch));
        let parameters = [&columns.parameters()[..], &[&versions]].concat();
        let row: Row = self.client.query_one(&self.store_listed, &parameters).await?;
        let marks = Marks {
            placed: row.try_get(0)?,
            ..Marks::default()
        };
        Ok(marks.verdicts(batch))
    }

    /// First as if nobody had the keys.
    async fn write_claiming(&self, batch: &[Pending]) -> Result<Vec<Option<Verdict>>, Error> {
        let wary = self.wary.load(Ordering::Relaxed);
        if wary > 0 {
            self.wary.store(wary - 1, Ordering::Relaxed);
            return self.write_checked(batch).await;
        }
        let (columns, claims) = (Columns::of(batch), Claims::of(batch));
        let parameters = [&columns.parameters()[..], &claims.parameters()[..]].concat();
        match self.client.execute(&self.store_claiming, &parameters).await {
            Ok(_) => Ok(vec![Some(Verdict::Stored); batch.len()]),
            Err(refusal) if refusal.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
                self.wary.store(WARY, Ordering::Relaxed);
                self.write_checked(batch).await
            }
            Err(refusal) => Err(refusal),
        }
    }

    async fn write_checked(&self, batch: &[Pending]) -> Result<Vec<Option<Verdict>>, Error> {
        self.begin_counting(batch).await?;
        let (columns, checks) = (Columns::of(batch), Checks::of(batch));
        let parameters = [&columns.parameters()[..], &checks.parameters()[..]].concat();
        let row: Row = self.client.query_one(&self.store_checked, &parameters).await?;
        let marks = Marks {
            placed: row.try_get(0)?,
            admitted: row.try_get(1)?,
            counted: row.try_get(2)?,
        };
        if marks.counted.len() < limited_codes(batch).len() {
            // Somebody has removed a promotion's row.
            self.with_counting(HashSet::clear);
        }
        Ok(marks.verdicts(batch))
    }

    /// A promotion's row must be there before it can be locked. Autocommitted before the batch, once per code.
    async fn begin_counting(&self, batch: &[Pending]) -> Result<(), Error> {
        let new: Vec<String> = limited_codes(batch)
            .into_iter()
            .filter(|code| !self.with_counting(|counting| counting.contains(*code)))
            .map(str::to_owned)
            .collect();
        if !new.is_empty() {
            self.client.execute(&self.begin_counting, &[&new]).await?;
            self.with_counting(|counting| counting.extend(new));
        }
        Ok(())
    }

    fn with_counting<T>(&self, act: impl FnOnce(&mut HashSet<String>) -> T) -> T {
        act(&mut self.counting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Takes the connection for lost when the server has not answered `limit` after `since`.
///
/// # Errors
/// [`Trouble::Lost`] then.
pub(super) async fn within<T>(
    since: Instant,
    limit: Duration,
    written: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    match timeout_at(since + limit, written).await {
        Ok(written) => written,
        Err(_) => Err(Trouble::Lost(cause(SilentFor(limit)))),
    }
}

fn cause<E: std::error::Error + Send + Sync + 'static>(error: E) -> Cause {
    Arc::new(error)
}
