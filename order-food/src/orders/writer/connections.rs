//! The connections of a worker, and the batches in flight on them.

use std::ops::RangeInclusive;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use database::Database;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use prometheus::IntGauge;
use tokio::time::Instant;
use tracing::warn;

use super::connection::{Limits, WriterConnection, within};
use super::queue::{QueuedOrder, WriteOutcome};
use super::write_error::{Recovery, WriteError};
use crate::orders::Cause;

/// One connection or several. The first has two batches in flight while it is the only one that is
/// used; of several, each has one: their commits wait at the same time.
pub(super) struct Connections {
    database: Database,
    limits: Limits,
    /// How many there are when nothing is to be done, and at most.
    count: RangeInclusive<usize>,
    open: Vec<Open>,
    opening: Option<LocalBoxFuture<'static, Result<WriterConnection, Cause>>>,
    /// The last attempt to open another one failed at that time.
    failed: Option<Instant>,
    metric: IntGauge,
}

struct Open {
    connection: Rc<WriterConnection>,
    current: Option<LocalBoxFuture<'static, CompletedBatch>>,
    /// Sent behind the current one, so that the database goes from one to the next.
    next: Option<InFlightBatch>,
    /// Orders of both.
    orders: usize,
    last_used: Instant,
    /// No further batch is sent over it.
    bad: bool,
}

/// A batch that was sent.
struct InFlightBatch {
    batch: Rc<Vec<QueuedOrder>>,
    written: LocalBoxFuture<'static, Outcome>,
    since: Instant,
}

/// A batch, and what came back.
pub(super) struct CompletedBatch {
    pub(super) batch: Vec<QueuedOrder>,
    pub(super) outcome: Outcome,
    pub(super) took: Duration,
}

pub(super) type Outcome = Result<Vec<Option<WriteOutcome>>, WriteError>;

/// Where the next batch goes: the place of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Over a connection on which nothing is in flight.
    Free(usize),
    /// Behind the batch on this one, the only one that is used.
    Behind(usize),
    /// Nowhere before something changes.
    None,
}

/// A connection beyond the least that was not used for so long is closed.
const UNUSED: Duration = Duration::from_secs(60);
/// Pause after one could not be opened.
const PAUSE: Duration = Duration::from_secs(5);

impl Connections {
    pub(super) fn new(
        database: Database,
        limits: Limits,
        count: RangeInclusive<usize>,
        first: WriterConnection,
        metric: IntGauge,
    ) -> Connections {
        let mut connections = Connections {
            database,
            limits,
            count,
            open: Vec::new(),
            opening: None,
            failed: None,
            metric,
        };
        connections.add(first);
        connections
    }

    fn add(&mut self, connection: WriterConnection) {
        self.open.push(Open {
            connection: Rc::new(connection),
            current: None,
            next: None,
            orders: 0,
            last_used: Instant::now(),
            bad: false,
        });
        self.count_open();
    }

    fn count_open(&self) {
        self.metric
            .set(i64::try_from(self.open.len()).unwrap_or(i64::MAX));
    }

    /// Orders in flight.
    pub(super) fn orders(&self) -> usize {
        self.open.iter().map(|open| open.orders).sum()
    }

    /// Whether no batch is in flight.
    pub(super) fn are_idle(&self) -> bool {
        self.open.iter().all(|open| open.current.is_none())
    }

    /// Whether none is left.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// So many are worth it; there may be fewer.
    pub(super) fn wanted(&self, commits_take_long: bool) -> usize {
        match commits_take_long {
            true => *self.count.end(),
            false => *self.count.start(),
        }
    }

    /// Where the next batch goes, over the first `wanted` connections.
    pub(super) fn place(&self, wanted: usize) -> Place {
        let mut usable = self.open.iter().enumerate().filter(|(_, open)| !open.bad);
        match wanted {
            1 => match usable.next() {
                Some((at, open)) if open.current.is_none() => Place::Free(at),
                Some((at, open)) if open.next.is_none() => Place::Behind(at),
                _ => Place::None,
            },
            _ => {
                let free = usable.take(wanted).find(|(_, open)| open.current.is_none());
                free.map_or(Place::None, |(at, _)| Place::Free(at))
            }
        }
    }

    /// Sends the batch over the connection at this place.
    pub(super) fn send(&mut self, at: usize, batch: Vec<QueuedOrder>) {
        let limit = self.limits.statement;
        if let Some(open) = self.open.get_mut(at) {
            open.orders += batch.len();
            open.last_used = Instant::now();
            let sent = InFlightBatch::begin(&open.connection, batch);
            match &open.current {
                None => open.current = Some(sent.complete(limit)),
                Some(_) => open.next = Some(sent),
            }
        }
    }

    /// Begins to open another one, if there may be another one.
    pub(super) fn open_another(&mut self, wanted: usize) {
        let paused = self.failed.is_some_and(|failed| failed.elapsed() < PAUSE);
        if self.opening.is_none() && self.open.len() < wanted && !paused {
            let (database, limits) = (self.database.clone(), self.limits);
            let opening = async move { WriterConnection::open(&database, limits).await };
            self.opening = Some(opening.boxed_local());
        }
    }

    /// Waits for the next batch that comes back; `None`: another connection was opened, or not. For
    /// ever where there is nothing to wait for.
    pub(super) async fn changed(&mut self) -> Option<CompletedBatch> {
        std::future::poll_fn(|context| self.poll_changed(context)).await
    }

    fn poll_changed(&mut self, context: &mut Context<'_>) -> Poll<Option<CompletedBatch>> {
        let limit = self.limits.statement;
        for open in &mut self.open {
            if let Some(current) = &mut open.current
                && let Poll::Ready(completed) = current.poll_unpin(context)
            {
                open.completed(&completed, limit);
                return Poll::Ready(Some(completed));
            }
        }
        if let Some(opening) = &mut self.opening
            && let Poll::Ready(opened) = opening.poll_unpin(context)
        {
            self.opening = None;
            match opened {
                Ok(connection) => self.add(connection),
                Err(cause) => {
                    let error = process::failure::line(&*cause);
                    warn!(
                        error,
                        "no further connection for orders; those that are open go on"
                    );
                    self.failed = Some(Instant::now());
                }
            }
            return Poll::Ready(None);
        }
        Poll::Pending
    }

    /// When the next one may be closed that is not used; `None` where all are needed.
    pub(super) fn next_unused(&self) -> Option<Instant> {
        let extra = self.open.get(*self.count.start()..)?;
        let idle = extra.iter().filter(|open| open.current.is_none());
        idle.map(|open| open.last_used + UNUSED).min()
    }

    /// Closes those that were not used for a minute, and those that are lost and owe nothing.
    pub(super) fn close_unused(&mut self) {
        let least = *self.count.start();
        let before = self.open.len();
        let mut at = 0;
        self.open.retain(|open| {
            at += 1;
            let is_unused = at > least && open.last_used.elapsed() >= UNUSED;
            let is_lost = open.bad || open.connection.is_closed();
            open.current.is_some() || !(is_unused || is_lost)
        });
        if self.open.len() != before {
            self.count_open();
        }
    }
}

/// With the worker, or when all are lost.
impl Drop for Connections {
    fn drop(&mut self) {
        self.metric.set(0);
    }
}

impl Open {
    /// The current batch is back: the time of the one behind it begins. On a lost connection it
    /// began when that one was sent.
    fn completed(&mut self, completed: &CompletedBatch, limit: Duration) {
        self.orders -= completed.batch.len();
        self.last_used = Instant::now();
        self.bad |= self.connection.is_closed() || !completed.keeps_the_connection();
        self.current = self.next.take().map(|mut next| {
            if !self.bad {
                next.since = self.last_used;
            }
            next.complete(limit)
        });
    }
}

impl InFlightBatch {
    fn begin(connection: &Rc<WriterConnection>, batch: Vec<QueuedOrder>) -> InFlightBatch {
        let batch = Rc::new(batch);
        let (connection, orders) = (connection.clone(), batch.clone());
        let mut written = async move { connection.write(&orders).await }.boxed_local();
        // The first poll hands the statement to the connection.
        if let Some(outcome) = (&mut written).now_or_never() {
            written = std::future::ready(outcome).boxed_local();
        }
        InFlightBatch {
            batch,
            written,
            since: Instant::now(),
        }
    }

    /// Waits until it is known what became of the batch, or the server has been silent for `limit`.
    fn complete(self, limit: Duration) -> LocalBoxFuture<'static, CompletedBatch> {
        let InFlightBatch {
            batch,
            mut written,
            since,
        } = self;
        let complete = async move {
            let outcome = within(since, limit, &mut written).await;
            drop(written);
            CompletedBatch {
                // What was written from was the only other owner.
                batch: Rc::into_inner(batch).unwrap_or_default(),
                outcome,
                took: since.elapsed(),
            }
        };
        complete.boxed_local()
    }
}

impl CompletedBatch {
    /// Whether the connection may be used again.
    fn keeps_the_connection(&self) -> bool {
        !matches!(
            self.outcome,
            Err(WriteError::Lost(_)
                | WriteError::RolledBack(Recovery::FailAndReconnect | Recovery::Reconnect, _))
        )
    }
}
