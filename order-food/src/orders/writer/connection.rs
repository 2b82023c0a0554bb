//! A connection with the writer's statements prepared on it, and the classification of its errors.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use database::pool::LOCK_TIMEOUT;
use database::{CanceledWaits, Database};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row, Statement};
use uuid::Uuid;

use super::queue::{QueuedOrder, WriteOutcome, Written};
use super::statement::{
    BEGIN_COUNTING, Checks, Claims, Columns, Jobs, STORE, STORE_CHECKED, STORE_CLAIMING, STORE_LISTED,
    Template, has_claims, has_jobs, has_listed, limited_code, limited_codes, needs_checks, version, versions,
};
use super::write_error::WriteError;
use crate::orders::{Cause, Unredeemable};

/// A connection with the writer's statements prepared on it.
pub(super) struct WriterConnection {
    client: Client,
    canceled_waits: CanceledWaits,
    store: Prepared,
    store_claiming: Prepared,
    store_listed: Prepared,
    store_checked: Prepared,
    begin_counting: Statement,
    /// Promotions whose counting has begun.
    counting: Mutex<HashSet<String>>,
    /// So many more batches with Idempotency-Keys are checked, since one met a key that was taken.
    replay_checks_left: AtomicU32,
}

/// Both forms of a [`Template`].
struct Prepared {
    without_jobs: Statement,
    with_jobs: Statement,
    conditional: bool,
}

/// The server has not answered.
#[derive(Debug, thiserror::Error)]
#[error("no answer from the database within {} ms", .0.as_millis())]
struct NoAnswer(Duration);

/// The server has answered with success before the synchronous standby had the commit.
#[derive(Debug, thiserror::Error)]
#[error("the wait for the synchronous standby was canceled (01000): committed here, and perhaps not there")]
struct WaitCanceled;

/// What the listed and the checked statement answer; the listed one admits and counts nothing.
#[derive(Default)]
pub(super) struct StatementRow {
    pub(super) placed: Vec<Uuid>,
    pub(super) admitted: Vec<Uuid>,
    pub(super) counted: Vec<String>,
}

/// How long one statement may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Until the server cancels it, and until we take the connection for lost.
    pub(super) statement: Duration,
    /// Until it stops waiting for a lock.
    lock: Duration,
}

/// So long before we give up a connection, the server gives up the statement: then it is certain
/// that nothing is stored, and no session is left behind that waits on.
const MARGIN: Duration = Duration::from_millis(100);

/// Where one request is repeated, others are: so many batches are then checked at once, and not
/// only when they are refused.
const REPLAY_CHECKS: u32 = 64;

impl Limits {
    /// Half of what an order has, so that there is time for another attempt; not more than the
    /// settings let a statement run.
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

    /// Session settings. Plans are made once and never from what a table holds at that moment: on
    /// an empty one the planner would choose a sequential scan and keep it.
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

impl WriterConnection {
    /// Connects and prepares.
    ///
    /// # Errors
    /// Whatever stands in the way, within twice the connect time-out and the limits of a few
    /// statements.
    pub(super) async fn open(database: &Database, limits: Limits) -> Result<WriterConnection, Cause> {
        let (client, canceled_waits) = database.connect_counting().await.map_err(cause)?;
        let prepared = async {
            client.batch_execute(&limits.session()).await?;
            // Sent together: one round trip.
            tokio::try_join!(
                Prepared::on(&client, &STORE),
                Prepared::on(&client, &STORE_CLAIMING),
                Prepared::on(&client, &STORE_LISTED),
                Prepared::on(&client, &STORE_CHECKED),
                client.prepare(BEGIN_COUNTING),
            )
        };
        let prepared = timeout(limits.statement * 2, prepared);
        let (store, store_claiming, store_listed, store_checked, begin_counting) = prepared
            .await
            .map_err(|_| cause(NoAnswer(limits.statement * 2)))?
            .map_err(cause::<Error>)?;
        Ok(WriterConnection {
            client,
            canceled_waits,
            store,
            store_claiming,
            store_listed,
            store_checked,
            begin_counting,
            counting: Mutex::default(),
            replay_checks_left: AtomicU32::new(0),
        })
    }

    /// Whether it is known to have ended.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Writes the batch in one transaction and returns after COMMIT; `None`: that order is to be
    /// tried again. For ever where the server is silent: see [`within`].
    ///
    /// # Errors
    /// [`WriteError`].
    pub(super) async fn write(&self, batch: &[QueuedOrder]) -> Result<Vec<Option<WriteOutcome>>, WriteError> {
        let (claims, listed) = (has_claims(batch), has_listed(batch));
        let canceled_waits = self.canceled_waits.count();
        let written = if needs_checks(batch) || (claims && listed) {
            self.write_checked(batch).await
        } else if claims {
            self.write_claiming(batch).await
        } else if listed {
            self.write_listed(batch).await
        } else {
            let columns = Columns::of(batch);
            let stored = self.execute(&self.store, &columns.parameters(), batch).await;
            stored.map(|_| vec![Some(Ok(Written::Stored)); batch.len()])
        };
        match written {
            Ok(_) if self.canceled_waits.count() != canceled_waits => {
                Err(WriteError::Unconfirmed(cause(WaitCanceled)))
            }
            written => written.map_err(WriteError::of),
        }
    }

    async fn write_listed(&self, batch: &[QueuedOrder]) -> Result<Vec<Option<WriteOutcome>>, Error> {
        let (columns, versions) = (Columns::of(batch), versions(batch));
        let parameters = [&columns.parameters()[..], &[&versions]].concat();
        let row = self.query_one(&self.store_listed, &parameters, batch).await?;
        let row = StatementRow {
            placed: row.try_get(0)?,
            ..StatementRow::default()
        };
        Ok(row.outcomes(batch))
    }

    /// First as if every key were free.
    async fn write_claiming(&self, batch: &[QueuedOrder]) -> Result<Vec<Option<WriteOutcome>>, Error> {
        let replay_checks_left = self.replay_checks_left.load(Ordering::Relaxed);
        if replay_checks_left > 0 {
            self.replay_checks_left
                .store(replay_checks_left - 1, Ordering::Relaxed);
            return self.write_checked(batch).await;
        }
        let (columns, claims) = (Columns::of(batch), Claims::of(batch));
        let parameters = [&columns.parameters()[..], &claims.parameters()[..]].concat();
        match self.execute(&self.store_claiming, &parameters, batch).await {
            Ok(_) => Ok(vec![Some(Ok(Written::Stored)); batch.len()]),
            Err(refusal) if refusal.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
                self.replay_checks_left.store(REPLAY_CHECKS, Ordering::Relaxed);
                self.write_checked(batch).await
            }
            Err(refusal) => Err(refusal),
        }
    }

    async fn write_checked(&self, batch: &[QueuedOrder]) -> Result<Vec<Option<WriteOutcome>>, Error> {
        self.begin_counting(batch).await?;
        let (columns, checks) = (Columns::of(batch), Checks::of(batch));
        let parameters = [&columns.parameters()[..], &checks.parameters()[..]].concat();
        let row = self.query_one(&self.store_checked, &parameters, batch).await?;
        let row = StatementRow {
            placed: row.try_get(0)?,
            admitted: row.try_get(1)?,
            counted: row.try_get(2)?,
        };
        if row.counted.len() < limited_codes(batch).len() {
            // The row of a promotion was removed.
            self.with_counting(HashSet::clear);
        }
        Ok(row.outcomes(batch))
    }

    async fn execute(
        &self,
        statement: &Prepared,
        parameters: &[&(dyn ToSql + Sync)],
        batch: &[QueuedOrder],
    ) -> Result<u64, Error> {
        if !has_jobs(batch) {
            return self.client.execute(&statement.without_jobs, parameters).await;
        }
        let jobs = Jobs::of(batch);
        let parameters = [parameters, &jobs.parameters(statement.conditional)].concat();
        self.client.execute(&statement.with_jobs, &parameters).await
    }

    async fn query_one(
        &self,
        statement: &Prepared,
        parameters: &[&(dyn ToSql + Sync)],
        batch: &[QueuedOrder],
    ) -> Result<Row, Error> {
        if !has_jobs(batch) {
            return self.client.query_one(&statement.without_jobs, parameters).await;
        }
        let jobs = Jobs::of(batch);
        let parameters = [parameters, &jobs.parameters(statement.conditional)].concat();
        self.client.query_one(&statement.with_jobs, &parameters).await
    }

    /// A promotion's row must be there before it can be locked. Autocommitted before the batch,
    /// once per code.
    async fn begin_counting(&self, batch: &[QueuedOrder]) -> Result<(), Error> {
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

impl Prepared {
    async fn on(client: &Client, template: &Template) -> Result<Prepared, Error> {
        let (without, with) = (template.text(), template.text_with_jobs());
        let (without_jobs, with_jobs) = tokio::try_join!(client.prepare(&without), client.prepare(&with))?;
        Ok(Prepared {
            without_jobs,
            with_jobs,
            conditional: template.conditional,
        })
    }
}

impl StatementRow {
    /// The outcome on each order of the batch; `None`: to be tried again.
    ///
    /// An order beyond the rank that its promotion has left is sold out only if the ones before it
    /// really took their uses: one whose key was taken, or that was stored before, took none.
    pub(super) fn outcomes(&self, batch: &[QueuedOrder]) -> Vec<Option<WriteOutcome>> {
        let placed: HashSet<Uuid> = self.placed.iter().copied().collect();
        let admitted: HashSet<Uuid> = self.admitted.iter().copied().collect();
        let counted: HashSet<&str> = self.counted.iter().map(String::as_str).collect();
        let unused: HashSet<&str> = batch
            .iter()
            .filter(|queued| {
                admitted.contains(&queued.new_order().order.id)
                    && !placed.contains(&queued.new_order().order.id)
            })
            .filter_map(limited_code)
            .collect();
        let outcome = |queued: &QueuedOrder| {
            let id = &queued.new_order().order.id;
            if placed.contains(id) {
                return Some(Ok(Written::Stored));
            }
            if admitted.contains(id) {
                return Some(Ok(match queued.new_order().claim {
                    Some(_) => Written::KeyTaken,
                    None => Written::Stored,
                }));
            }
            if version(queued).is_some() {
                return Some(Ok(Written::Unredeemable(Unredeemable::Unknown)));
            }
            limited_code(queued)
                .is_some_and(|code| counted.contains(code) && !unused.contains(code))
                .then_some(Ok(Written::Unredeemable(Unredeemable::SoldOut)))
        };
        batch.iter().map(outcome).collect()
    }
}

/// Takes the connection for lost when the server has not answered `limit` after `since`.
///
/// # Errors
/// [`WriteError::Lost`] then.
pub(super) async fn within<T>(
    since: Instant,
    limit: Duration,
    written: impl Future<Output = Result<T, WriteError>>,
) -> Result<T, WriteError> {
    match timeout_at(since + limit, written).await {
        Ok(written) => written,
        Err(_) => Err(WriteError::Lost(cause(NoAnswer(limit)))),
    }
}

fn cause<E: std::error::Error + Send + Sync + 'static>(error: E) -> Cause {
    Arc::new(error)
}
