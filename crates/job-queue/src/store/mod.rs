//! All SQL of the queue.

mod cancel;
mod depth;
mod enqueue;
mod public;

pub use cancel::{CancelTarget, Cancelled, cancel};
pub(crate) use depth::depths;
pub use enqueue::{Columns, enqueue, enqueue_on};
pub use public::{PublicJob, find_public};
