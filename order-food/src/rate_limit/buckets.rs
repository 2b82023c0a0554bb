//! Token buckets in a table of a fixed size.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How fast requests may come: `burst` of them at once after a quiet time, then one each
/// `interval`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    interval_ns: u64,
    burst_ns: u64,
}

/// Token buckets by key, in a table that is allocated once and never grows.
///
/// A bucket is known by the instant at which it will be full again (the generic cell rate
/// algorithm), and a full one is the same as none. So a key that is new to a full table takes, of
/// the few places that its hash names, the one whose bucket is closest to full: that forgets
/// nothing as long as one of them is full, and else what was spent least. A spent bucket is the
/// last to go: to have it forgotten, about as many other addresses as the table has places must
/// each spend theirs. The hash is keyed at random, so no client can aim at the places of one key.
pub(super) struct Buckets {
    rate: Rate,
    hash: RandomState,
    sets: Box<[Mutex<[Bucket; PLACES]>]>,
}

#[derive(Clone, Copy, Default)]
struct Bucket {
    key: u128,
    /// In nanoseconds; 0: this place was never used.
    full_at: u64,
}

/// Places that a key may take.
const PLACES: usize = 8;

const MINUTE_NS: u64 = 60_000_000_000;

impl Rate {
    /// `requests` per minute, of which `burst` may come at once; 0 stands for all of a minute's.
    /// `None` for 0 per minute.
    pub(super) fn per_minute(requests: u32, burst: u32) -> Option<Rate> {
        Rate::per_minutes(1, requests, burst)
    }

    /// The same of `requests` in so many minutes.
    pub(super) fn per_minutes(minutes: u64, requests: u32, burst: u32) -> Option<Rate> {
        let interval_ns = (minutes * MINUTE_NS).checked_div(requests.into())?.max(1);
        let burst = if burst == 0 { requests } else { burst };
        Some(Rate {
            interval_ns,
            burst_ns: interval_ns.saturating_mul(burst.into()),
        })
    }
}

impl Buckets {
    /// Room for at least `most` buckets that are not full, at most `PLACES - 1` more.
    pub(super) fn new(rate: Rate, most: usize) -> Buckets {
        let sets = most.div_ceil(PLACES).max(1);
        Buckets {
            rate,
            hash: RandomState::new(),
            sets: std::iter::repeat_with(Mutex::default).take(sets).collect(),
        }
    }

    /// Takes one token from the bucket of `key`; `now` is the time since any fixed instant.
    ///
    /// # Errors
    /// How long to wait for the next token when there is none; then nothing is taken.
    pub(super) fn take(&self, key: u128, now: Duration) -> Result<(), Duration> {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let mut set = self.set(key).lock().unwrap_or_else(PoisonError::into_inner);
        let is_of_key = |bucket: &Bucket| bucket.key == key && bucket.full_at > 0;
        let place = set
            .iter_mut()
            .min_by_key(|bucket| (!is_of_key(bucket), bucket.full_at));
        let Some(bucket) = place else { return Ok(()) };
        let full_at = if is_of_key(bucket) {
            bucket.full_at.max(now)
        } else {
            now
        };
        let full_at = full_at.saturating_add(self.rate.interval_ns);
        let spent = full_at - now;
        if spent > self.rate.burst_ns {
            return Err(Duration::from_nanos(spent - self.rate.burst_ns));
        }
        *bucket = Bucket { key, full_at };
        Ok(())
    }

    /// Puts a token back that was taken from the bucket of `key`.
    pub(super) fn put_back(&self, key: u128) {
        let mut set = self.set(key).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = set.iter_mut().find(|bucket| bucket.key == key) {
            bucket.full_at = bucket.full_at.saturating_sub(self.rate.interval_ns);
        }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "a remainder of the length, which is not 0"
    )]
    fn set(&self, key: u128) -> &Mutex<[Bucket; PLACES]> {
        let sets = self.sets.len() as u64;
        #[expect(clippy::cast_possible_truncation, reason = "less than a length")]
        let index = (self.hash.hash_one(key) % sets) as usize;
        &self.sets[index]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn buckets(per_minute: u32, burst: u32, most: usize) -> Buckets {
        Buckets::new(Rate::per_minute(per_minute, burst).unwrap(), most)
    }

    /// How many of `tries` at one instant are let through.
    fn taken(buckets: &Buckets, key: u128, tries: u32, now: Duration) -> u32 {
        (0..tries)
            .map(|_| u32::from(buckets.take(key, now).is_ok()))
            .sum()
    }

    #[test]
    fn a_burst_passes_then_one_request_each_interval() {
        let buckets = buckets(60, 5, 100);

        assert_eq!(taken(&buckets, 1, 20, Duration::ZERO), 5);
        assert_eq!(buckets.take(1, Duration::ZERO), Err(SECOND));
        assert_eq!(buckets.take(1, SECOND / 4), Err(SECOND * 3 / 4));
        assert_eq!(taken(&buckets, 1, 20, SECOND), 1);
        assert_eq!(taken(&buckets, 1, 20, SECOND * 3), 2);
        assert_eq!(taken(&buckets, 1, 20, SECOND * 100), 5);
    }

    #[test]
    fn without_a_burst_of_its_own_a_minutes_requests_may_come_at_once() {
        let buckets = buckets(7, 0, 100);

        assert_eq!(taken(&buckets, 1, 20, SECOND), 7);
        assert_eq!(taken(&buckets, 1, 20, SECOND * 61), 7);
        assert_eq!(Rate::per_minute(0, 5), None);
    }

    #[test]
    fn a_token_that_is_put_back_may_be_taken_again() {
        let buckets = Buckets::new(Rate::per_minutes(10, 10, 0).unwrap(), 100);
        assert_eq!(taken(&buckets, 1, 20, SECOND), 10);
        assert_eq!(buckets.take(1, SECOND), Err(SECOND * 60));

        buckets.put_back(1);
        buckets.put_back(2);

        assert_eq!(taken(&buckets, 1, 20, SECOND), 1);
        assert_eq!(taken(&buckets, 2, 20, SECOND), 10);
    }

    #[test]
    fn keys_do_not_share_whatever_their_value() {
        let buckets = buckets(1, 2, 1_000);

        for key in [0, 1, u128::MAX] {
            assert_eq!(taken(&buckets, key, 5, Duration::ZERO), 2, "{key}");
            assert_eq!(taken(&buckets, key, 5, SECOND), 0, "{key}");
        }
    }

    #[test]
    fn a_clock_that_is_read_out_of_turn_gives_nothing_away() {
        let buckets = buckets(60, 2, 8);

        assert_eq!(taken(&buckets, 1, 5, SECOND * 10), 2);
        assert_eq!(taken(&buckets, 1, 5, SECOND * 9), 0);
        assert_eq!(taken(&buckets, 1, 5, SECOND * 11), 1);
    }

    #[test]
    fn a_flood_of_addresses_does_not_fill_a_spent_bucket_again() {
        let buckets = buckets(60, 10, 1_000);
        assert_eq!(taken(&buckets, 0, 20, Duration::ZERO), 10);

        // More new keys than there are places, over and over.
        for key in 1..=20_000 {
            assert!(buckets.take(key, Duration::ZERO).is_ok(), "{key}");
        }

        assert_eq!(taken(&buckets, 0, 5, Duration::ZERO), 0);
        assert_eq!(taken(&buckets, 0, 5, SECOND), 1);
    }

    #[test]
    fn full_buckets_make_room_for_others() {
        let buckets = buckets(60, 1, PLACES);
        for key in 1..=8 {
            buckets.take(key, Duration::ZERO).unwrap();
        }

        // A second later all eight are full again, and eight others find a place.
        for key in 11..=18 {
            buckets.take(key, SECOND).unwrap();
        }

        for key in 11..=18 {
            assert_eq!(buckets.take(key, SECOND), Err(SECOND), "{key}");
        }
    }

    #[test]
    fn threads_together_take_no_more_than_there_is() {
        let buckets = buckets(60, 1_000, 8);

        let taken: u32 = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| taken(&buckets, 1, 1_000, SECOND)))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });

        assert_eq!(taken, 1_000);
    }

    proptest! {
        /// Against buckets that count tokens in so many words, each for itself.
        #[test]
        fn it_does_what_a_bucket_with_tokens_does(
            interval_ms in 1_u32..5_000,
            burst in 1_u32..20,
            requests in prop::collection::vec((0_u128..PLACES as u128, 0_u64..3_000), 1..300),
        ) {
            let per_minute = (60_000 / interval_ms).max(1);
            let buckets = buckets(per_minute, burst, 1);
            let interval = u128::from(MINUTE_NS / u64::from(per_minute));
            // Per key: tokens in nanoseconds, and when they were last counted.
            let mut model: HashMap<u128, (u128, u128)> = HashMap::new();
            let mut now = Duration::ZERO;

            for (key, pause_ms) in requests {
                now += Duration::from_millis(pause_ms);
                let most = interval * u128::from(burst);
                let (tokens, counted) = model.entry(key).or_insert((most, now.as_nanos()));
                *tokens = (*tokens + now.as_nanos() - *counted).min(most);
                *counted = now.as_nanos();

                let taken = buckets.take(key, now);

                let missing = interval.saturating_sub(*tokens);
                if missing == 0 {
                    *tokens -= interval;
                    prop_assert_eq!(taken, Ok(()));
                } else {
                    prop_assert_eq!(taken.map_err(|wait| wait.as_nanos()), Err(missing));
                }
            }
        }

        /// However many keys come: no client is refused that has not spent a burst, and one that
        /// waits as told is let through.
        #[test]
        fn waiting_as_told_is_enough(
            per_minute in 1_u32..100_000,
            burst in 1_u32..4,
            keys in prop::collection::vec(0_u128..40, 1..400),
        ) {
            let buckets = buckets(per_minute, burst, 16);
            let mut admitted: HashMap<u128, u32> = HashMap::new();
            let mut now = Duration::ZERO;

            for key in keys {
                if let Err(wait) = buckets.take(key, now) {
                    prop_assert!(admitted.get(&key) >= Some(&burst));
                    now += wait;
                    prop_assert_eq!(buckets.take(key, now), Ok(()));
                }
                *admitted.entry(key).or_default() += 1;
            }
        }
    }
}
