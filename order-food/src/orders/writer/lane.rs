use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use database::Database;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::link::{Limits, Link, within};
use super::pace::{MOST, Pace};
use super::settle::Settler;
use super::ticket::{Pending, Verdict, to_be_sent};
use super::trouble::{Remedy, Trouble};
use super::{Away, LONGEST_PAUSE, PAUSE, answer};
use crate::metrics::ShopMetrics;
use crate::orders::Cause;

/// One queue and the connection that empties it: what has come while the last batch was being committed is the next batch, at
/// most as large as [`Pace`] says. What goes wrong is settled elsewhere, so that the next batch need not wait for it.
pub(super) struct Lane {
    pub(super) database: Database,
    pub(super) limits: Limits,
    pub(super) queue: Receiver<Pending>,
    pub(super) settler: Settler,
    pub(super) pace: Pace,
    pub(super) metrics: ShopMetrics,
    pub(super) stop: CancellationToken,
}

/// A batch that was sent.
struct Flight<'a> {
    batch: Rc<Vec<Pending>>,
    written: LocalBoxFuture<'a, Outcome>,
    /// When it was sent, or later: when the one before it had landed.
    since: Instant,
}

/// A batch, and what came back.
struct Landed {
    batch: Vec<Pending>,
    outcome: Outcome,
    took: Duration,
}

type Outcome = Result<Vec<Option<Verdict>>, Trouble>;

/// Batches that the server has at once: the second begins where the first ends, without waiting for us to hear of it.
const UNDER_WAY: usize = 2;
/// Orders wait so long for a database that is away; then they are refused until it is back.
const PATIENCE: Duration = Duration::from_secs(1);

impl Lane {
    /// Writes until `stop`, and what is queued then.
    pub(super) async fn run(mut self) {
        let mut batch = Vec::with_capacity(MOST);
        while let Some(link) = self.link(&mut batch).await {
            if !self.write_over(&link, &mut batch).await {
                return;
            }
        }
    }

    /// Writes as long as the connection is good; false when the lane is stopped and nothing is left.
    async fn write_over(&mut self, link: &Link, batch: &mut Vec<Pending>) -> bool {
        let limit = self.limits.statement;
        let mut under_way: VecDeque<Flight<'_>> = VecDeque::with_capacity(UNDER_WAY);
        loop {
            let landed = match under_way.pop_front() {
                Some(flight) => Some(flight.land(limit).await),
                None => {
                    if batch.is_empty() && !self.receive(batch).await {
                        return false;
                    }
                    None
                }
            };
            let good = !link.is_closed() && landed.as_ref().is_none_or(Landed::leaves_the_link_good);
            if good {
                if let Some(next) = under_way.front_mut() {
                    next.since = Instant::now();
                }
                self.take_off(link, batch, &mut under_way);
                // On their way before anybody is told about the one before.
                tokio::task::yield_now().await;
            }
            if let Some(landed) = landed {
                self.settle(landed);
            }
            if !good {
                for flight in under_way {
                    self.settle(flight.land(limit).await);
                }
                return true;
            }
        }
    }

    /// Waits for orders; false when there will be none any more.
    async fn receive(&mut self, batch: &mut Vec<Pending>) -> bool {
        let (stop, most) = (self.stop.clone(), self.pace.most());
        tokio::select! {
            biased;
            count = self.queue.recv_many(batch, most) => count > 0,
            () = stop.cancelled(), if !self.queue.is_closed() => {
                self.queue.close();
                self.queue.recv_many(batch, most).await > 0
            }
        }
    }

    /// Sends what is queued: the first batch however small, the next one when it is worth it.
    fn take_off<'a>(
        &mut self,
        link: &'a Link,
        batch: &mut Vec<Pending>,
        under_way: &mut VecDeque<Flight<'a>>,
    ) {
        let sent: usize = under_way.iter().map(|flight| flight.batch.len()).sum();
        self.pace.see(sent + batch.len() + self.queue.len());
        while under_way.len() < UNDER_WAY {
            let waiting = batch.len() + self.queue.len();
            if waiting == 0 || (!under_way.is_empty() && waiting < self.pace.worth_it()) {
                return;
            }
            let most = self.pace.most();
            while batch.len() < most
                && let Ok(pending) = self.queue.try_recv()
            {
                batch.push(pending);
            }
            let rest = batch.split_off(batch.len().min(most));
            let sent = to_be_sent(batch, self.limits.statement);
            *batch = rest;
            if !sent.is_empty() {
                under_way.push_back(Flight::begin(link, sent));
            }
        }
    }

    /// Tells the orders of a batch what became of them.
    fn settle(&self, landed: Landed) {
        let Landed {
            mut batch,
            outcome,
            took,
        } = landed;
        match outcome {
            Ok(verdicts) => {
                self.metrics.committed(batch.len(), took);
                let again = answer(batch, verdicts);
                self.settler.settle(again);
            }
            Err(Trouble::Lost(cause)) => {
                warn!(
                    orders = batch.len(),
                    error = process::failure::line(&*cause),
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

impl<'a> Flight<'a> {
    fn begin(link: &'a Link, batch: Vec<Pending>) -> Flight<'a> {
        let batch = Rc::new(batch);
        let orders = batch.clone();
        let mut written = async move { link.write(&orders).await }.boxed_local();
        // The first poll hands the statement to the connection.
        if let Some(outcome) = (&mut written).now_or_never() {
            written = std::future::ready(outcome).boxed_local();
        }
        Flight {
            batch,
            written,
            since: Instant::now(),
        }
    }

    /// Waits until it is known what became of the batch, or the server has been silent for `limit`.
    async fn land(self, limit: Duration) -> Landed {
        let Flight {
            batch,
            mut written,
            since,
        } = self;
        let outcome = within(since, limit, &mut written).await;
        drop(written);
        Landed {
            // What was written from was the only other owner.
            batch: Rc::into_inner(batch).unwrap_or_default(),
            outcome,
            took: since.elapsed(),
        }
    }
}

impl Landed {
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
