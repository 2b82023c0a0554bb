//! The loader against a real PostgreSQL: as a library, and as the binary that operators run.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod atomicity;
mod buckets;
mod concurrency;
mod exit_codes;
mod files;
mod first_load;
mod fixture;
mod formats;
mod freshness;
mod history;
mod large_files;
mod limits;
mod packing;
mod panics;
mod pictures;
mod plan;
mod profiles;
mod program;
mod prune;
mod reload;
mod rollback;
mod rollback_refusals;
mod runtime_columns;
mod schema;
mod server;
mod shipped;
mod slips;
mod soak;
mod sources;
mod spans;
mod spreadsheets;
mod stopping;
mod transport;
mod unreachable;
mod validation;
mod verify;
