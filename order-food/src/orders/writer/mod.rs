//! The order writer: group commit.
//!
//! Orders that arrive while a batch is being committed make up the next one; a batch is one statement and one transaction, and each
//! order is answered after its COMMIT. Nothing is ever waited for to make a batch larger; a second one is sent behind the first,
//! so that the database goes from one to the next.
//!
//! `ticket` is an order on its way · `lane` collects and writes, `pace` says how much at once · `settle` finishes what was lost
//! or refused · `link` is a connection, `statement` and `batch` what is said over it, `trouble` what comes back instead of
//! success.
//!
//! Two lanes: orders with a limited promotion queue for its row, and the others must not queue with them.

mod batch;
mod lane;
mod link;
mod pace;
mod settle;
mod statement;
mod ticket;
mod trouble;

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use database::Database;
use database::pool::Pool;
use tokio::sync::mpsc::{self, Sender};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::idempotency::{Claim, Remembered, Running, remembered};
use super::{NewOrder, NotStored, Redemption, Stored, queries};
use crate::metrics::ShopMetrics;
use crate::spans;
use lane::Lane;
use link::Limits;
use pace::Pace;
use settle::Settler;
use ticket::{Found, Pending, Verdict, Waiting};

/// Pauses between attempts: doubled each time, up to the longest.
const PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// The parts of a writer.
pub(crate) struct WriterParts {
    pub(crate) database: Database,
    /// For the look-ups of repeated requests.
    pub(crate) pool: Pool,
    /// The most orders that wait in each queue.
    pub(crate) queue: usize,
    pub(crate) order_deadline: Duration,
    pub(crate) metrics: ShopMetrics,
}

/// Stores orders in batches, on a thread of its own.
pub(crate) struct Writer {
    unlimited: Sender<Pending>,
    limited: Sender<Pending>,
    running: Running,
    pool: Pool,
    metrics: ShopMetrics,
    stop: CancellationToken,
    ended: CancellationToken,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Takes the orders instead of the thread.
    #[cfg(feature = "bench")]
    substitute: Option<Arc<dyn super::OrderStore>>,
}

/// The deadline passed.
#[derive(Debug, thiserror::Error)]
#[error("the deadline passed")]
struct TooLate;

/// The database has not been reached yet.
#[derive(Debug, thiserror::Error)]
#[error("the database cannot be reached")]
struct Away;

/// The writer has ended.
#[derive(Debug, thiserror::Error)]
#[error("the order writer is stopping")]
struct Stopped;

/// More orders than the database takes.
#[derive(Debug, thiserror::Error)]
#[error("{0} orders are waiting already")]
struct Full(usize);

/// The server has not answered.
#[derive(Debug, thiserror::Error)]
#[error("no answer from the database within {} ms", .0.as_millis())]
struct SilentFor(Duration);

/// A key that was taken has expired in between.
#[derive(Debug, thiserror::Error)]
#[error("the Idempotency-Key has just expired")]
struct Expired;

impl Writer {
    /// Starts the thread, which connects at once.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub(crate) fn start(parts: WriterParts) -> std::io::Result<Writer> {
        let WriterParts {
            database,
            pool,
            queue,
            order_deadline,
            metrics,
        } = parts;
        let limits = Limits::new(order_deadline, database.statement_timeout());
        let settler = Settler::new(database.clone(), limits, metrics.clone());
        let (stop, ended) = (CancellationToken::new(), CancellationToken::new());
        let lane = || {
            let (entrance, queue) = mpsc::channel(queue);
            let lane = Lane {
                database: database.clone(),
                limits,
                queue,
                settler: settler.clone(),
                pace: Pace::default(),
                metrics: metrics.clone(),
                stop: stop.clone(),
            };
            (entrance, lane)
        };
        let ((unlimited, first), (limited, second)) = (lane(), lane());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        // Cancelled however the thread ends.
        let end = ended.clone().drop_guard();
        let thread = std::thread::Builder::new()
            .name("order-writer".into())
            .spawn(move || {
                let _end = end;
                runtime.block_on(async {
                    tokio::join!(first.run(), second.run());
                    settler.finished().await;
                });
            })?;
        Ok(Writer {
            unlimited,
            limited,
            running: Running::default(),
            pool,
            metrics,
            stop,
            ended,
            thread: Mutex::new(Some(thread)),
            #[cfg(feature = "bench")]
            substitute: None,
        })
    }

    /// The same with another place for the orders.
    #[cfg(feature = "bench")]
    pub(crate) fn with_store(mut self, store: Arc<dyn super::OrderStore>) -> Writer {
        self.substitute = Some(store);
        self
    }

    /// Stores the order with its lines, the use of its promotion and its Idempotency-Key, all or
    /// nothing, and returns after COMMIT.
    ///
    /// # Errors
    /// [`NotStored`], by the deadline.
    pub(crate) async fn store(&self, new: NewOrder, deadline: Instant) -> Result<Stored, NotStored> {
        #[cfg(feature = "bench")]
        if let Some(store) = &self.substitute {
            return store.store(new, deadline).await;
        }
        let id = new.order.id;
        let (waiting, claim) = self.admit(new, deadline)?;
        self.outcome(id, waiting, claim, deadline).await
    }

    /// The answer to an earlier request with this claim, if one was stored.
    ///
    /// # Errors
    /// [`NotStored`], by the deadline.
    pub(crate) async fn find_replay(
        &self,
        claim: &Claim,
        deadline: Instant,
    ) -> Result<Option<Bytes>, NotStored> {
        if self.running.has(claim) {
            return Err(NotStored::KeyInUse);
        }
        match self.earlier(claim, deadline).await? {
            Some(earlier) if earlier.request_hash == claim.request_hash => Ok(Some(earlier.response)),
            Some(_) => Err(NotStored::KeyReused),
            None => Ok(None),
        }
    }

    /// How many orders wait, in both lanes.
    pub(crate) fn queue_length(&self) -> usize {
        [&self.unlimited, &self.limited].into_iter().map(length).sum()
    }

    /// Waits until the writer has ended: after [`Writer::stop`], or because it failed.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Writes what is queued, settles what is in doubt, and ends. Orders that come later are refused.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.ended().await;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // It has ended, or is about to.
            let _ = thread.join();
        }
    }

    /// Queues an order; who waits for it, and its claim.
    fn admit(&self, new: NewOrder, deadline: Instant) -> Result<(Waiting, Option<Arc<Claim>>), NotStored> {
        let claim = new.claim.as_ref().map(|(claim, _)| claim.clone());
        let turn = match &claim {
            Some(claim) => Some(self.running.enter(claim).ok_or(NotStored::KeyInUse)?),
            None => None,
        };
        let lane = match new.redemption {
            Redemption::Limited(_) => &self.limited,
            Redemption::Free | Redemption::Listed(_) => &self.unlimited,
        };
        let (pending, waiting) = ticket::pair(new, deadline, turn);
        if lane.try_send(pending).is_err() {
            self.metrics.queue_full();
            return Err(NotStored::Unavailable(Arc::new(Full(length(lane)))));
        }
        Ok((waiting, claim))
    }

    /// What became of an order that was queued.
    async fn outcome(
        &self,
        id: Uuid,
        waiting: Waiting,
        claim: Option<Arc<Claim>>,
        deadline: Instant,
    ) -> Result<Stored, NotStored> {
        let found = async {
            let (verdict, in_doubt) = waiting.verdict().await?;
            Ok::<_, NotStored>((verdict.found(id)?, in_doubt))
        };
        let (found, in_doubt) = spans::database("INSERT orders", found).await?;
        let doubtful = |problem: NotStored| match problem {
            NotStored::Unavailable(cause) if in_doubt => NotStored::Unknown { id, cause },
            problem => problem,
        };
        match (found, claim) {
            (Found::Stored, _) => Ok(Stored::Now),
            (Found::Unredeemable(reason), Some(claim)) => {
                match self.earlier(&claim, deadline).await.map_err(doubtful)? {
                    Some(earlier) => earlier.answer_to(&claim, id),
                    None => Err(reason.into()),
                }
            }
            (Found::Unredeemable(reason), None) if in_doubt => {
                match self.is_stored(id, deadline).await.map_err(doubtful)? {
                    true => Ok(Stored::Now),
                    false => Err(reason.into()),
                }
            }
            (Found::Unredeemable(reason), None) => Err(reason.into()),
            (Found::KeyTaken, Some(claim)) => {
                match self.earlier(&claim, deadline).await.map_err(doubtful)? {
                    Some(earlier) => earlier.answer_to(&claim, id),
                    None => Err(doubtful(NotStored::Unavailable(Arc::new(Expired)))),
                }
            }
            (Found::KeyTaken, None) => Err(NotStored::Unavailable(Arc::new(Stopped))),
        }
    }

    /// On the heap, as all that few orders need: what every order waits for stays small.
    async fn earlier(&self, claim: &Claim, deadline: Instant) -> Result<Option<Remembered>, NotStored> {
        let read = self.pool.read(deadline - Instant::now(), async |connection| {
            spans::database("SELECT idempotency_keys", remembered(connection, claim)).await
        });
        Box::pin(read)
            .await
            .map_err(|error| NotStored::Unavailable(Arc::new(error)))
    }

    async fn is_stored(&self, id: Uuid, deadline: Instant) -> Result<bool, NotStored> {
        let read = self.pool.read(deadline - Instant::now(), async |connection| {
            spans::database("SELECT orders", queries::is_stored(connection, id)).await
        });
        Box::pin(read)
            .await
            .map_err(|error| NotStored::Unavailable(Arc::new(error)))
    }
}

impl Remembered {
    /// What a request is told that comes after this one under the same key.
    fn answer_to(self, claim: &Claim, order: Uuid) -> Result<Stored, NotStored> {
        if self.order == order {
            Ok(Stored::Now)
        } else if self.request_hash == claim.request_hash {
            Ok(Stored::Earlier(self.response))
        } else {
            Err(NotStored::KeyReused)
        }
    }
}

/// Orders that wait in a lane.
fn length(lane: &Sender<Pending>) -> usize {
    lane.max_capacity() - lane.capacity()
}

/// Tells each order its verdict; returns those to be tried again.
fn answer(batch: Vec<Pending>, verdicts: Vec<Option<Verdict>>) -> Vec<Pending> {
    let mut again = Vec::new();
    for (pending, verdict) in batch.into_iter().zip(verdicts) {
        match verdict {
            Some(verdict) => pending.answer(verdict),
            None => {
                pending.undone();
                again.push(pending);
            }
        }
    }
    again
}
