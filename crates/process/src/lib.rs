//! The parts that every process has: settings, telemetry, signals, durations and exit codes.
//!
//! Knows nothing of the database and nothing of the shop.

pub mod duration;
pub mod failure;
pub mod panics;
pub mod report;
pub mod settings;
pub mod signals;
pub mod telemetry;
pub mod tls;

mod host;

pub use host::host_name;
