//! The migrator against real PostgreSQL: as a library, and as the program that pods run.
#![expect(
    clippy::unwrap_used,
    reason = "what fails in a test's helper is a failed test"
)]

mod concurrency;
mod exits;
mod failures;
mod ledger;
mod program;
mod runs;
mod rust_schema;
mod schema;
mod traces;
mod unattended;
