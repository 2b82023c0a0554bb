//! The loader against a real PostgreSQL: as a library, and as the binary that operators run.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod atomicity;
mod concurrency;
mod exit_codes;
mod first_load;
mod fixture;
mod large_files;
mod limits;
mod profiles;
mod reload;
mod runtime_columns;
mod spans;
mod validation;
