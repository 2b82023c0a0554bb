//! The migrator against real PostgreSQL: as a library, and as the program that pods run.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what fails in a test's helper is a failed test"
)]

mod concurrency;
mod concurrently;
mod diesel;
mod down;
mod exits;
mod failures;
mod json;
mod ledger;
mod limits;
mod lint;
mod lint_rules;
mod own;
mod panics;
mod partitions;
mod plan;
mod previous;
mod program;
mod records;
mod roles;
mod roles_apply;
mod roles_company;
mod roles_operators;
mod roles_rights;
mod runs;
mod rust_schema;
mod schema;
mod soak;
mod standby;
mod takeover;
mod traces;
mod traffic;
mod unattended;
mod validate;
