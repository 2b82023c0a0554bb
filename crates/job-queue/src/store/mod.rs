//! All SQL of the queue.

pub mod browse;
mod cancel;
mod claim;
mod control;
mod dead_letters;
mod depth;
mod enqueue;
mod finish;
#[cfg(test)]
mod model;
pub mod operate;
mod public;
mod row;

pub use cancel::{CancelTarget, Cancelled, cancel};
pub(crate) use claim::{CLAIM, ClaimFilter, ClaimedJob, claim};
pub(crate) use control::{
    RESCUE, Rescued, Waiting, WorkerRow, dead_letters, enter_slot, heartbeat, paused, progress,
    release_orphans, rescue, sign_off, try_lock, waiting,
};
pub(crate) use depth::{BY_INDEX, depths};
pub use enqueue::{Columns, enqueue, enqueue_on, insert_from};
pub(crate) use finish::{FailedAttempts, Finisher};
pub use public::{PublicJob, find_public};
