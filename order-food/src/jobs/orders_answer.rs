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

/// Accepts every placed order.
pub(super) struct AutoAccept {
    pub(super) pool: Pool,
    pub(super) queue: Queue,
    pub(super) live: Live,
    pub(super) ready_in: ReadyIn,
}

/// Rejects orders that nobody answered in time.
pub(super) struct RejectUnanswered {
    pub(super) pool: Pool,
    pub(super) queue: Queue,
    pub(super) live: Live,
    /// Time that an order may be placed.
    pub(super) limit: TimeDelta,
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
        let accepted = answer(
            run,
            &self.pool,
            (&self.queue, &self.live),
            TimeDelta::zero(),
            Ok(self.ready_in),
        )
        .await?;
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
        let rejected = answer(
            run,
            &self.pool,
            (&self.queue, &self.live),
            self.limit,
            Err(Reason::NotAnswered),
        )
        .await?;
        if rejected > 0 {
            info!(rejected, "orders rejected that nobody answered");
        }
        Ok(Outcome::Done)
    }
}

/// Answers the orders that have been placed for `at_least`, in pieces of one transaction each;
/// returns how many.
async fn answer(
    run: &Run,
    pool: &Pool,
    (queue, live): (&Queue, &Live),
    at_least: TimeDelta,
    answer: Result<ReadyIn, Reason>,
) -> Result<usize, JobError> {
    let mut answered = 0;
    loop {
        run.check()?;
        let mut connection = pool.get().await?;
        let found = unanswered(&mut connection, at_least, PIECE).await?;
        let is_last = i64::try_from(found.orders.len()).is_ok_and(|orders| orders < PIECE);
        if !found.orders.is_empty() {
            answered += answer_all(&mut connection, &found.orders, answer).await?;
            queue.wake();
            // The first change of each, whoever made it.
            live.changed(found.orders.iter().map(|order| (*order, 2)));
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

impl RejectUnanswered {
    /// Rejects what these settings say.
    pub(super) fn new(pool: Pool, queue: Queue, live: Live, settings: &Settings) -> RejectUnanswered {
        let limit = match settings.answer_within_s {
            0 => settings.open_window_s,
            within => within.min(settings.open_window_s),
        };
        RejectUnanswered {
            pool,
            queue,
            live,
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
