//! The loader against a real PostgreSQL: as a library, and as the binary that operators run.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod atomicity;
mod concurrency;
mod exit_codes;
mod fixture;
mod first_load;
mod profiles;
mod reload;
mod runtime_columns;
mod spans;
mod validation;
