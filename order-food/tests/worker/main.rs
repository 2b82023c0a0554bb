//! `order-food worker` and `order-food jobs`: the real program, the real database.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "what fails in a test's helper is a failed test"
)]

mod bulk;
mod commands;
mod faults;
mod harness;
mod health;
mod maintenance;
mod orders;
mod program;
