/// How many orders make a batch, by how many wait at once.
///
/// With half of them in a batch, the other half is being answered meanwhile, comes back as new orders and soon lies ready behind
/// it. A batch of all is cheaper for an order, but then the database waits for orders and the orders for the database, in turns.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The most orders that waited lately.
    lately: usize,
}

/// The most orders of one batch.
pub(super) const MOST: usize = 256;
/// A smaller batch is not worth a commit of its own while another is under way.
const SMALL: usize = 16;
/// Each look forgets such a part of what was seen before.
const MEMORY: usize = 64;

impl Pace {
    /// So many orders wait for their answer, sent or not.
    pub(super) fn see(&mut self, waiting: usize) {
        let remembered = self.lately - self.lately.div_ceil(MEMORY);
        self.lately = waiting.max(remembered);
    }

    /// The most orders of the next batch.
    pub(super) fn most(&self) -> usize {
        (self.lately / 2).clamp(SMALL, MOST)
    }

    /// From how many orders on a batch is sent although another is under way.
    pub(super) fn worth_it(&self) -> usize {
        SMALL.max(self.most() / 2)
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
            let mut pace = Pace::default();
            pace.see(waiting);
            assert_eq!((pace.most(), pace.worth_it()), (most, worth_it), "{waiting}");
        }
    }

    #[test]
    fn a_crowd_is_forgotten_bit_by_bit() {
        let mut pace = Pace::default();
        pace.see(300);
        pace.see(10);
        assert_eq!(pace.most(), 147);

        for _ in 0..500 {
            pace.see(10);
        }
        assert_eq!(pace.lately, 10);
    }
}
