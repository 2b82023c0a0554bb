//! `database-load coupons` as operators run it: the real binary, no database.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod corpus;
mod damaged;
mod fixture;
mod generate;
mod loader;
mod output;
mod scan;
mod signals;
mod usage;
