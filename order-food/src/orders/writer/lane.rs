use std::sync::Arc;
use std::time::Duration;

use database::Database;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::sync::mpsc::Receiver;
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

/// One queue and the connection that empties it: whatever has come while the last batch was being committed is the next
/// batch. What goes wrong is settled elsewhere, so that the next batch need not wait for it.
pub(super) struct Lane {
    pub(super) database: Database,
    pub(super) limits: Limits,
    pub(super) queue: Receiver<Pending>,
    pub(super) settler: Settler,
    pub(super) metrics: ShopMetrics,
    pub(super) stop: CancellationToken,
}

/// A batch that was sent, and what came back.
struct Flight {
    batch: Vec<Pending>,
    outcome: Result<Vec<Option<Verdict>>, Trouble>,
    sent_at: Instant,
}

/// The most orders of one batch.
const MOST: usize = 256;
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
        let mut under_way: Option<LocalBoxFuture<'_, Flight>> = None;
        loop {
            let landed = match under_way.take() {
                Some(flight) => Some(flight.await),
                None => {
                    if batch.is_empty() && !self.receive(batch).await {
                        return false;
                    }
                    None
                }
            };
            let good = !link.is_closed() && landed.as_ref().is_none_or(Flight::leaves_the_link_good);
            if good {
                under_way = self.take_off(link, batch);
                // On its way before anybody is told about the one before.
                tokio::task::yield_now().await;
            }
            if let Some(flight) = landed {
                self.land(flight);
            }
            if !good {
                return true;
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

    /// Sends what is queued.
    fn take_off<'a>(
        &mut self,
        link: &'a Link,
        batch: &mut Vec<Pending>,
    ) -> Option<LocalBoxFuture<'a, Flight>> {
        while batch.len() < MOST
            && let Ok(pending) = self.queue.try_recv()
        {
            batch.push(pending);
        }
        let batch = to_be_sent(batch, self.limits.statement);
        if batch.is_empty() {
            return None;
        }
        let sent_at = Instant::now();
        let mut flight = async move {
            let outcome = link.write(&batch).await;
            Flight {
                batch,
                outcome,
                sent_at,
            }
        }
        .boxed_local();
        // The first poll hands the statement to the connection.
        Some(match (&mut flight).now_or_never() {
            Some(landed) => std::future::ready(landed).boxed_local(),
            None => flight,
        })
    }

    /// Tells the orders of a batch what became of them.
    fn land(&self, flight: Flight) {
        let Flight {
            mut batch,
            outcome,
            sent_at,
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

impl Flight {
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
