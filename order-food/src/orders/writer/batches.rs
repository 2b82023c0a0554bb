//! The size of batches, and how many connections they are worth.

use std::time::Duration;

/// How many orders make a batch, by how many wait at once.
///
/// With half of them in a batch, the other half is being answered meanwhile, comes back as new
/// orders and soon lies ready behind it. A batch of all is cheaper for an order, but then the
/// database waits for orders and the orders for the database, in turns.
#[derive(Debug, Default)]
pub(super) struct BatchSizer {
    /// The most orders that waited lately.
    lately: usize,
}

/// Whether commits take long against what their batches cost the server: then the server waits, for
/// a standby or a disk, and commits over several connections wait at the same time.
#[derive(Debug, Default)]
pub(super) struct CommitLatency {
    /// Batches that took long, without one in between that did not.
    long_in_a_row: usize,
}

/// The most orders of one batch.
pub(super) const MAX_BATCH: usize = 256;
/// A smaller batch is not worth a commit of its own while another is in flight.
const SMALL: usize = 16;
/// Each observation forgets this part of the former ones.
const MEMORY: usize = 64;

/// Cost of a batch, and of each of its orders, that a busy server may take: two to three times what
/// an idle one takes.
const BATCH_COST: Duration = Duration::from_micros(100);
const ORDER_COST: Duration = Duration::from_micros(32);
/// A commit that takes less is never long: a second connection would cost more than it gives.
const SHORT: Duration = Duration::from_micros(1_500);
/// So many long commits in a row are no chance.
const IN_A_ROW: usize = 8;

impl BatchSizer {
    /// So many orders wait for their answer, sent or not.
    pub(super) fn observe(&mut self, waiting: usize) {
        let remembered = self.lately - self.lately.div_ceil(MEMORY);
        self.lately = waiting.max(remembered);
    }

    /// The most orders of the next batch.
    pub(super) fn most(&self) -> usize {
        (self.lately / 2).clamp(SMALL, MAX_BATCH)
    }

    /// The size from which a batch is sent although another is in flight on its connection.
    pub(super) fn worth_it(&self) -> usize {
        SMALL.max(self.most() / 2)
    }

    /// The size from which a batch is sent over one of several connections: half of an equal share.
    pub(super) fn share(&self, connections: usize) -> usize {
        (self.lately / (2 * connections.max(1))).clamp(1, MAX_BATCH)
    }
}

impl CommitLatency {
    /// A batch of `orders` orders took so long.
    pub(super) fn observe(&mut self, orders: usize, took: Duration) {
        let orders = u32::try_from(orders).unwrap_or(u32::MAX);
        let cost = BATCH_COST + ORDER_COST * orders;
        let is_long = took > cost.max(SHORT);
        self.long_in_a_row = if is_long { self.long_in_a_row + 1 } else { 0 };
    }

    pub(super) fn is_long(&self) -> bool {
        self.long_in_a_row >= IN_A_ROW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_half_of_what_waits_within_bounds() {
        let cases = [
            (0, 16, 16),
            (1, 16, 16),
            (60, 30, 16),
            (255, 127, 63),
            (5000, 256, 128),
        ];
        for (waiting, most, worth_it) in cases {
            let mut sizer = BatchSizer::default();
            sizer.observe(waiting);
            assert_eq!((sizer.most(), sizer.worth_it()), (most, worth_it), "{waiting}");
        }
    }

    #[test]
    fn a_crowd_is_forgotten_bit_by_bit() {
        let mut sizer = BatchSizer::default();
        sizer.observe(300);
        sizer.observe(10);
        assert_eq!(sizer.most(), 147);

        for _ in 0..500 {
            sizer.observe(10);
        }
        assert_eq!(sizer.lately, 10);
    }

    #[test]
    fn over_several_connections_half_of_an_equal_share_is_worth_a_commit() {
        let cases = [
            (0, 8, 1),
            (3, 8, 1),
            (64, 8, 4),
            (64, 1, 32),
            (5000, 8, 256),
            (9, 0, 4),
        ];
        for (waiting, connections, share) in cases {
            let mut sizer = BatchSizer::default();
            sizer.observe(waiting);
            assert_eq!(sizer.share(connections), share, "{waiting}, {connections}");
        }
    }

    #[test]
    fn latency_is_long_when_each_of_the_last_commits_was() {
        let long = Duration::from_millis(4);
        let cases = [
            // A local disk, whatever the size of the batch.
            (32, Duration::from_micros(900), false),
            (128, Duration::from_micros(2_300), false),
            (1, Duration::from_micros(1_400), false),
            // A standby in another zone.
            (1, Duration::from_micros(1_600), true),
            (32, long, true),
            (128, long + Duration::from_micros(1_500), true),
            // Large batches that cost as much.
            (256, long, false),
        ];
        for (orders, took, is_long) in cases {
            let mut latency = CommitLatency::default();
            (1..IN_A_ROW).for_each(|_| latency.observe(orders, took));
            assert!(!latency.is_long(), "{orders} in {took:?}");
            latency.observe(orders, took);
            assert_eq!(latency.is_long(), is_long, "{orders} in {took:?}");
            latency.observe(8, Duration::from_micros(400));
            assert!(!latency.is_long(), "{orders} in {took:?}");
        }
    }
}
