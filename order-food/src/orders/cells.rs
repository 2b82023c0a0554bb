//! Cells: ids of orders that say which of several installations stored them.
//!
//! With CELL set, the id of an order is a UUID version 7 (RFC 9562). The upper ten bits of its
//! `rand_a` are the number of the cell, the lower two a counter:
//!
//! ```text
//! unix_ts_ms (48) │ 7 │ cell (10) │ count (2) │ variant (2) │ tail (30) │ random (32)
//! ```
//!
//! Within a millisecond the first four ids of a process count from 0 to 3. From there on the count
//! stays at 3 and the tail, which starts at a random number, is counted up: the ids of a process
//! ascend at any rate, those of several processes differ by their 61 random bits.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use uuid::{ClockSequence, Timestamp, Uuid, Variant, Version};

use crate::http::ApiError;

/// The largest number of a cell: ten bits.
pub(super) const MAX_CELL: u16 = 0x3ff;

/// The cell of this installation, if it is one of several; the default is none.
#[derive(Debug, Default)]
pub(crate) struct Cells(Option<Own>);

#[derive(Debug)]
struct Own {
    cell: u16,
    /// Ids from before do not hold a cell.
    since: DateTime<Utc>,
    last: Mutex<Last>,
}

/// The id made last.
#[derive(Debug, Default)]
struct Last {
    /// Milliseconds since 1970; never goes back, even if the clock does.
    time_ms: u64,
    /// 0 to [`MAX_COUNT`].
    count: u64,
    tail: u64,
}

const MAX_COUNT: u64 = 3;
const TAIL_BITS: u32 = 30;
/// The highest bit of the tail starts as 0, so that half a billion ids of one millisecond do not
/// carry into the count.
const TAIL_SEED: u64 = (1 << (TAIL_BITS - 1)) - 1;

impl Cells {
    /// This installation is `cell` (0 to 1023); ids hold a cell since `since`.
    pub(super) fn new(cell: u16, since: DateTime<Utc>) -> Cells {
        Cells(Some(Own {
            cell,
            since,
            last: Mutex::default(),
        }))
    }

    /// The id of a new order.
    pub(crate) fn new_id(&self) -> Uuid {
        match &self.0 {
            Some(own) => Uuid::new_v7(Timestamp::now(own)),
            None => Uuid::now_v7(),
        }
    }

    /// What is answered when no order of this id is found here: 421 when the id is that of another
    /// cell, else 404.
    pub(crate) fn missing(&self, id: Uuid) -> ApiError {
        match self.0.as_ref().and_then(|own| own.other_cell(id)) {
            Some(cell) => ApiError::OtherCell(cell),
            None => ApiError::NotFound("order"),
        }
    }
}

impl Own {
    /// The other cell that made this id.
    fn other_cell(&self, id: Uuid) -> Option<u16> {
        let is_v7 = id.get_version() == Some(Version::SortRand) && id.get_variant() == Variant::RFC4122;
        let time_ms = i64::try_from(id.as_u128() >> 80).ok()?;
        let cell = u16::try_from(id.as_u128() >> 66 & u128::from(MAX_CELL)).ok()?;
        (is_v7 && cell != self.cell && time_ms >= self.since.timestamp_millis()).then_some(cell)
    }
}

/// `rand_a` and the tail.
impl ClockSequence for Own {
    type Output = u64;

    fn generate_sequence(&self, seconds: u64, subsec_nanos: u32) -> u64 {
        self.generate_timestamp_sequence(seconds, subsec_nanos).0
    }

    fn generate_timestamp_sequence(&self, seconds: u64, subsec_nanos: u32) -> (u64, u64, u32) {
        let time_ms = seconds.saturating_mul(1_000) + u64::from(subsec_nanos / 1_000_000);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if time_ms > last.time_ms {
            *last = Last {
                time_ms,
                count: 0,
                // These bits of such an id are random.
                tail: Uuid::new_v4().as_u64_pair().1 & TAIL_SEED,
            };
        } else if last.count < MAX_COUNT {
            last.count += 1;
        } else {
            last.tail += 1;
        }
        let rand_a = u64::from(self.cell) << 2 | last.count;
        let nanos = last.time_ms % 1_000 * 1_000_000;
        (
            rand_a << TAIL_BITS | last.tail,
            last.time_ms / 1_000,
            u32::try_from(nanos).unwrap_or_default(),
        )
    }

    fn usable_bits(&self) -> usize {
        12 + TAIL_BITS as usize
    }
}

#[cfg(test)]
mod tests;
