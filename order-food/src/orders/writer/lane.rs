use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use database::Database;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::Notify;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::link::{Limits, Link};
use super::settle::Settler;
use super::ticket::{Pending, Verdict, to_be_sent};
use super::trouble::{Remedy, Trouble};
use super::{Away, LONGEST_PAUSE, PAUSE, answer};
use crate::metrics::ShopMetrics;
use crate::orders::Cause;

/// One queue and the connections that empty it: whatever has come while the last batch was being committed is the next
/// batch. What goes wrong is settled elsewhere, so that the next batch need not wait for it.
pub(super) struct Lane {
    pub(super) database: Database,
    pub(super) limits: Limits,
    pub(super) queue: Receiver<Pending>,
    pub(super) nudge: Arc<Nudge>,
    pub(super) settler: Settler,
    pub(super) metrics: ShopMetrics,
    pub(super) stop: CancellationToken,
    /// With two, the server goes on with one batch while it waits for the disk under the other.
    pub(super) connections: usize,
}

/// Where orders come into a lane.
pub(super) struct Entrance {
    pub(super) queue: Sender<Pending>,
    pub(super) nudge: Arc<Nudge>,
}

/// Tells a lane that the next batch is as large as the one under way, so that it need not wait for that one's end. Smaller
/// ones wait and grow.
#[derive(Default)]
pub(super) struct Nudge {
    notify: Notify,
    /// Orders in the queue that are enough.
    enough: AtomicUsize,
}

/// A batch that was sent, and what came back.
struct Flight<'a> {
    batch: Vec<Pending>,
    outcome: Result<Vec<Option<Verdict>>, Trouble>,
    sent_at: Instant,
    carrier: &'a Carrier,
}

/// A connection, and how many batches are under way on it.
struct Carrier {
    link: Link,
    flights: Cell<usize>,
}

type Flights<'a> = FuturesUnordered<LocalBoxFuture<'a, Flight<'a>>>;

/// The most orders of one batch.
const MOST: usize = 256;
/// Batches sent and not answered.
const MOST_FLIGHTS: usize = 2;
/// A batch smaller than this is not sent beside another.
const FEW: usize = 8;
/// Orders wait so long for a database that is away; then they are refused until it is back.
const PATIENCE: Duration = Duration::from_secs(1);

impl Entrance {
    /// Queues the order; false when the queue is full or closed.
    pub(super) fn admit(&self, pending: Pending) -> bool {
        let admitted = self.queue.try_send(pending).is_ok();
        if self.length() >= self.nudge.enough.load(Ordering::Relaxed) {
            self.nudge.notify.notify_one();
        }
        admitted
    }

    /// Orders in the queue.
    pub(super) fn length(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }
}

impl Lane {
    /// Writes until `stop`, and what is queued then.
    pub(super) async fn run(mut self) {
        let mut batch = Vec::with_capacity(MOST);
        let mut carriers = Vec::with_capacity(self.connections);
        while let Some(link) = self.link(&mut batch).await {
            carriers.push(Carrier {
                link,
                flights: Cell::new(0),
            });
            if carriers.len() == self.connections {
                if !self.write_over(&carriers, &mut batch).await {
                    return;
                }
                carriers.clear();
            }
        }
    }

    /// Writes as long as the connections are good; false when the lane is stopped and nothing is left.
    async fn write_over(&mut self, carriers: &[Carrier], batch: &mut Vec<Pending>) -> bool {
        let is_closed = || carriers.iter().any(|carrier| carrier.link.is_closed());
        let mut flights = Flights::new();
        let mut good = true;
        loop {
            let mut landed = None;
            if flights.is_empty() {
                if !good || is_closed() {
                    return true;
                }
                if batch.is_empty() && !self.receive(batch).await {
                    return false;
                }
                if is_closed() {
                    return true;
                }
            } else {
                tokio::select! {
                    biased;
                    flight = flights.next() => landed = flight,
                    () = self.nudge.notify.notified(), if good && flights.len() < MOST_FLIGHTS => {}
                }
            }
            if let Some(flight) = &landed {
                good &= flight.leaves_the_link_good();
                flight.carrier.flights.update(|flights| flights - 1);
            }
            good = good && !is_closed();
            if good && flights.len() < MOST_FLIGHTS {
                self.take_off(carriers, batch, &mut flights);
                // On its way before anybody is told about the one before.
                tokio::task::yield_now().await;
            }
            if let Some(flight) = landed {
                self.land(flight);
            }
        }
    }

    /// Waits for orders; false when there will be none any more.
    async fn receive(&mut self, batch: &mut Vec<Pending>) -> bool {
        let stop = self.stop.clone();
        tokio::select! {
            biased;
            count = self.queue.recv_many(batch, MOST) => count > 0,
            () = stop.cancelled(), if !self.queue.is_closed() => {
                self.queue.close();
                self.queue.recv_many(batch, MOST).await > 0
            }
        }
    }

    /// Sends what is queued, if nothing is under way or it is enough to follow.
    fn take_off<'a>(&mut self, carriers: &'a [Carrier], batch: &mut Vec<Pending>, flights: &mut Flights<'a>) {
        let Some(carrier) = carriers.iter().min_by_key(|carrier| carrier.flights.get()) else {
            return;
        };
        let enough = self.nudge.enough.load(Ordering::Relaxed);
        if flights.is_empty() || self.queue.len() >= enough {
            while batch.len() < MOST
                && let Ok(pending) = self.queue.try_recv()
            {
                batch.push(pending);
            }
        }
        let batch = std::mem::replace(batch, Vec::with_capacity(MOST));
        let batch = to_be_sent(batch, self.limits.statement);
        if batch.is_empty() {
            return;
        }
        self.nudge
            .enough
            .store(batch.len().clamp(FEW, MOST), Ordering::Relaxed);
        let sent_at = Instant::now();
        carrier.flights.update(|flights| flights + 1);
        let mut flight = async move {
            let outcome = carrier.link.write(&batch).await;
            Flight {
                batch,
                outcome,
                sent_at,
                carrier,
            }
        }
        .boxed_local();
        // The first poll hands the statement to the connection.
        match (&mut flight).now_or_never() {
            Some(landed) => flights.push(std::future::ready(landed).boxed_local()),
            None => flights.push(flight),
        }
    }

    /// Tells the orders of a batch what became of them.
    fn land(&self, flight: Flight<'_>) {
        let Flight {
            mut batch,
            outcome,
            sent_at,
            carrier: _,
        } = flight;
        match outcome {
            Ok(verdicts) => {
                self.metrics.committed(batch.len(), sent_at.elapsed());
                let again = answer(batch, verdicts);
                self.settler.settle(again);
            }
            Err(Trouble::Lost(cause)) => {
                warn!(
                    orders = batch.len(),
                    error = process::exit::line(&*cause),
                    "the answer to COMMIT was lost; storing again"
                );
                for pending in &mut batch {
                    pending.in_doubt = true;
                }
                self.settler.settle(batch);
            }
            Err(Trouble::Undone(remedy, cause)) => {
                batch.iter().for_each(Pending::undone);
                match remedy {
                    Remedy::GiveUp | Remedy::Leave => refuse(&mut batch, &cause),
                    _ => self.settler.settle_refused(batch, remedy, cause),
                }
            }
        }
    }

    /// A connection, as soon as one can be had; `None` when the lane is stopped without one.
    async fn link(&mut self, batch: &mut Vec<Pending>) -> Option<Link> {
        let (since, stop) = (Instant::now(), self.stop.clone());
        let (database, limits) = (self.database.clone(), self.limits);
        let mut cause: Cause = Arc::new(Away);
        let mut pause = PAUSE;
        let mut attempt = Link::open(&database, limits).boxed();
        loop {
            let away = since.elapsed() >= PATIENCE;
            if away {
                refuse(batch, &cause);
            }
            let room = batch.len() < MOST;
            tokio::select! {
                opened = &mut attempt => match opened {
                    Ok(link) => {
                        if away {
                            info!(away_ms = since.elapsed().as_millis(), "orders are stored again");
                        }
                        return Some(link);
                    }
                    Err(problem) => {
                        cause = problem;
                        attempt = sleep(pause).then(|()| Link::open(&database, limits)).boxed();
                        pause = (pause * 2).min(LONGEST_PAUSE);
                    }
                },
                () = sleep_until(since + PATIENCE), if !away => {}
                count = self.queue.recv_many(batch, MOST), if away && room => {
                    if count == 0 {
                        return None;
                    }
                }
                () = stop.cancelled(), if !self.queue.is_closed() => self.queue.close(),
            }
        }
    }
}

impl Flight<'_> {
    /// Whether the connection may be used again.
    fn leaves_the_link_good(&self) -> bool {
        !matches!(
            self.outcome,
            Err(Trouble::Lost(_) | Trouble::Undone(Remedy::Leave | Remedy::Renew, _))
        )
    }
}

/// None of these orders is stored, nor will be.
fn refuse(batch: &mut Vec<Pending>, cause: &Cause) {
    for pending in batch.drain(..) {
        pending.give_up(cause.clone());
    }
}
