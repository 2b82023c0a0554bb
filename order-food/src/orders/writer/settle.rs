use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use database::Database;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::task::TaskTracker;
use tracing::error;

use super::batch::limited_code;
use super::link::{Limits, Link, within};
use super::ticket::{Pending, Verdict, to_be_sent};
use super::trouble::{Remedy, Trouble};
use super::{LONGEST_PAUSE, PAUSE, TooLate, answer};
use crate::metrics::ShopMetrics;
use crate::orders::Cause;

/// Brings to an end what a lane could not: batches whose outcome is in doubt, and batches that were refused, over
/// connections of its own.
///
/// In doubt, the same orders are sent again under the same ids until the server says what became of them: the insert waits for the
/// transaction that may still be running and finds what it committed. A mere look would not: it sees nothing while the
/// old transaction is still about to commit.
#[derive(Clone)]
pub(super) struct Settler {
    database: Database,
    limits: Limits,
    metrics: ShopMetrics,
    /// Connections that may be in use at once.
    connections: Arc<Semaphore>,
    tasks: TaskTracker,
}

const CONNECTIONS: usize = 4;

/// One batch that is being settled, in pieces.
struct Settlement {
    settler: Settler,
    /// First in, first out: a piece that waits for a lock does not keep the others waiting for it.
    pieces: VecDeque<Vec<Pending>>,
    link: Option<Link>,
    pause: Duration,
    cause: Cause,
}

impl Settler {
    pub(super) fn new(database: Database, limits: Limits, metrics: ShopMetrics) -> Settler {
        Settler {
            database,
            limits,
            metrics,
            connections: Arc::new(Semaphore::new(CONNECTIONS)),
            tasks: TaskTracker::new(),
        }
    }

    /// Sends the batch again until each order has its verdict or its time is over.
    pub(super) fn settle(&self, batch: Vec<Pending>) {
        if !batch.is_empty() {
            self.start(VecDeque::from([batch]), Arc::new(TooLate));
        }
    }

    /// The same for a batch that the server has refused.
    pub(super) fn settle_refused(&self, batch: Vec<Pending>, remedy: Remedy, cause: Cause) {
        let mut settlement = self.settlement(VecDeque::new(), cause.clone());
        settlement.refused(batch, remedy, cause);
        let pieces = std::mem::take(&mut settlement.pieces);
        self.start(pieces, settlement.cause);
    }

    /// Waits until everything is settled.
    pub(super) async fn finished(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn start(&self, pieces: VecDeque<Vec<Pending>>, cause: Cause) {
        let settlement = self.settlement(pieces, cause);
        self.tasks.spawn(settlement.run());
    }

    fn settlement(&self, pieces: VecDeque<Vec<Pending>>, cause: Cause) -> Settlement {
        Settlement {
            settler: self.clone(),
            pieces,
            link: None,
            pause: PAUSE,
            cause,
        }
    }
}

impl Settlement {
    async fn run(mut self) {
        let connections = self.settler.connections.clone();
        // Closed only by dropping it.
        let _permit = connections.acquire().await;
        while let Some(piece) = self.pieces.pop_front() {
            let piece = self.alive(piece);
            if !piece.is_empty() {
                self.attempt(piece).await;
            }
        }
    }

    /// Those whose time is not over and for whom somebody waits.
    fn alive(&self, piece: Vec<Pending>) -> Vec<Pending> {
        let now = Instant::now();
        let mut alive = Vec::with_capacity(piece.len());
        for pending in piece {
            if pending.deadline <= now {
                pending.give_up(self.cause.clone());
            } else {
                alive.push(pending);
            }
        }
        alive
    }

    async fn attempt(&mut self, mut piece: Vec<Pending>) {
        let latest = piece.iter().map(|pending| pending.deadline).max();
        let latest = latest.unwrap_or_else(Instant::now);
        let Some(link) = self.link(latest).await else {
            self.later(piece).await;
            return;
        };
        let mut piece = to_be_sent(&mut piece, self.settler.limits.statement);
        if piece.is_empty() {
            self.link = Some(link);
            return;
        }
        self.settler.metrics.resubmitted(piece.len());
        let limit = self.settler.limits.statement;
        match within(Instant::now(), limit, link.write(&piece)).await {
            Ok(verdicts) => {
                self.link = Some(link);
                let again = answer(piece, verdicts);
                self.later(again).await;
            }
            Err(Trouble::Lost(cause)) => {
                self.cause = cause;
                for pending in &mut piece {
                    pending.in_doubt = true;
                }
                self.later(piece).await;
            }
            Err(Trouble::Undone(remedy, cause)) => {
                if !matches!(remedy, Remedy::Leave | Remedy::Renew) {
                    self.link = Some(link);
                }
                piece.iter().for_each(Pending::undone);
                let pieces = self.pieces.len();
                self.refused(piece, remedy, cause);
                if self.pieces.len() == pieces + 1 {
                    self.wait().await;
                }
            }
        }
    }

    async fn link(&mut self, latest: Instant) -> Option<Link> {
        if let Some(link) = self.link.take().filter(|link| !link.is_closed()) {
            return Some(link);
        }
        match timeout_at(latest, Link::open(&self.settler.database, self.settler.limits)).await {
            Ok(Ok(link)) => return Some(link),
            Ok(Err(cause)) => self.cause = cause,
            Err(_) => {}
        }
        None
    }

    /// Tries the piece again after a pause.
    async fn later(&mut self, piece: Vec<Pending>) {
        if !piece.is_empty() {
            self.pieces.push_back(piece);
            self.wait().await;
        }
    }

    async fn wait(&mut self) {
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    /// What becomes of a piece that the server has refused: pieces of it to be sent again, and answers.
    fn refused(&mut self, mut piece: Vec<Pending>, remedy: Remedy, cause: Cause) {
        self.cause = cause.clone();
        let is_alone = piece.len() == 1;
        match remedy {
            Remedy::Again | Remedy::Renew => self.pieces.push_back(piece),
            Remedy::FindGuilty | Remedy::FindSlow if !is_alone => {
                self.settler.metrics.split();
                // Those that would wait for the same row stay together.
                piece.sort_by(|one, other| limited_code(one).cmp(&limited_code(other)));
                let second = piece.split_off(piece.len() / 2);
                self.pieces.extend([piece, second]);
            }
            // Who holds the lock, a migration for example, may let go of it while there is time for another attempt.
            Remedy::FindSlow => self.pieces.push_back(piece),
            Remedy::FindGuilty => {
                for pending in piece {
                    error!(order.id = %pending.ticket.new.order.id, error = process::failure::line(&*cause), "the database refuses an order");
                    pending.answer(Verdict::Refused(cause.clone()));
                }
            }
            Remedy::Leave | Remedy::GiveUp => {
                let (in_doubt, others): (Vec<_>, Vec<_>) =
                    piece.into_iter().partition(|pending| pending.in_doubt);
                for pending in others {
                    pending.give_up(cause.clone());
                }
                if !in_doubt.is_empty() {
                    self.pieces.push_back(in_doubt);
                }
            }
        }
    }
}
