//! The queue on a real database: each claim of the crate's documentation, and its faults.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what fails in a test's helper is a failed test"
)]

mod aborting;
mod claiming;
mod clock;
mod enqueueing;
mod example;
mod failing;
mod faults;
mod harness;
mod operating;
mod periodic;
mod plans;
mod soak;
