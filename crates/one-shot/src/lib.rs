//! What jobs that run once have in common: their record, heartbeat, locks, deadline, session and
//! exit codes.
//!
//! All statements are unnamed (`query_typed`), so that one costs one round trip.

pub mod advisory_lock;
pub mod alive;
pub mod deadline;
pub mod exit_code;
pub mod heartbeat;
pub mod run_record;
pub mod session;
mod side_channel;
pub mod targets;

pub use alive::AliveFile;
pub use deadline::{Deadline, StopReason};
pub use heartbeat::Heartbeat;
pub use run_record::{RunRecord, Trigger};
pub use side_channel::SideChannel;
