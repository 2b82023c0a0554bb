//! `orders.auto_accept` and `orders.reject_unanswered`: answers to orders that wait for one.

use std::time::Duration;

use chrono::TimeDelta;
use database::pool::Pool;
use job_queue::{Job, JobError, Kind, Outcome, Overflow, Priority, Queue, Run};
use shop::Reason;
use tracing::info;

use crate::live::Live;
use crate::orders::Settings;
use crate::orders::status::{ReadyIn, answer_all, answered_until, unanswered};

/// What answering needs.
#[derive(Clone)]
pub(super) struct Answering {
    pub(super) pool: Pool,
    pub(super) queue: Queue,
    pub(super) live: Live,
}

/// Accepts every placed order.
pub(super) struct AutoAccept {
    pub(super) answering: Answering,
    pub(super) ready_in: ReadyIn,
}

/// Rejects orders that nobody answered in time.
pub(super) struct RejectUnanswered {
    answering: Answering,
    /// Time that an order may be placed.
    limit: TimeDelta,
}

/// Time between two looks for orders to accept, and to reject where they are to be answered in
/// time.
pub(super) const OFTEN: Duration = Duration::from_secs(5);
/// Orders of one statement.
const PIECE: i64 = 1_000;

impl Job for AutoAccept {
    const KIND: Kind = Kind::new("orders.auto_accept", "orders", Priority::High)
        .timeout(Duration::from_secs(300))
        .overflow(Overflow::Skip);
    type Payload = ();

    async fn run(&self, run: &Run, (): ()) -> Result<Outcome, JobError> {
        let answer = Ok(self.ready_in);
        let accepted = self.answering.answer(run, TimeDelta::zero(), answer).await?;
        if accepted > 0 {
            info!(accepted, "placed orders accepted");
        }
        Ok(Outcome::Done)
    }
}

impl Job for RejectUnanswered {
    const KIND: Kind = Kind::new("orders.reject_unanswered", "orders", Priority::Default)
        .timeout(Duration::from_secs(300))
        .overflow(Overflow::Skip);
    type Payload = ();

    async fn run(&self, run: &Run, (): ()) -> Result<Outcome, JobError> {
        let answer = Err(Reason::NotAnswered);
        let rejected = self.answering.answer(run, self.limit, answer).await?;
        if rejected > 0 {
            info!(rejected, "orders rejected that nobody answered");
        }
        Ok(Outcome::Done)
    }
}

impl Answering {
    /// Answers the orders that have been placed for `at_least`, in pieces of one transaction each;
    /// returns how many.
    async fn answer(
        &self,
        run: &Run,
        at_least: TimeDelta,
        answer: Result<ReadyIn, Reason>,
    ) -> Result<usize, JobError> {
        let mut answered = 0;
        loop {
            run.check()?;
            let mut connection = self.pool.get().await?;
            let found = unanswered(&mut connection, at_least, PIECE).await?;
            let is_last = i64::try_from(found.orders.len()).is_ok_and(|orders| orders < PIECE);
            if !found.orders.is_empty() {
                answered += answer_all(&mut connection, &found.orders, answer).await?;
                self.queue.wake();
                // The first change of each, whoever made it.
                self.live.changed(found.orders.iter().map(|order| (*order, 2)));
            }
            if is_last {
                answered_until(&mut connection, &found).await?;
            }
            connection.release();
            if is_last {
                return Ok(answered);
            }
        }
    }
}

impl RejectUnanswered {
    /// Rejects what these settings say.
    pub(super) fn new(answering: Answering, settings: &Settings) -> RejectUnanswered {
        let limit = match settings.answer_within_s {
            0 => settings.open_window_s,
            within => within.min(settings.open_window_s),
        };
        RejectUnanswered {
            answering,
            limit: TimeDelta::seconds(limit.into()),
        }
    }

    /// Time between two looks: as exact as the limit asks for.
    pub(super) fn every(settings: &Settings) -> Duration {
        match settings.answer_within_s {
            0 => super::MINUTE,
            _ => OFTEN,
        }
    }
}
