//! The API over HTTP: the real server, the real database, nothing replaced.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what fails in a test's helper is a failed test"
)]

mod baskets;
mod bodies;
mod builders;
mod cells;
mod client;
mod console;
mod contract;
mod cors;
mod coupons;
mod docs;
mod errors;
mod events;
mod examples;
mod exports;
mod faults;
mod fixtures;
mod fuzz_http;
mod grouped_reads;
mod harness;
mod health;
mod idempotency;
mod jobs;
mod keys;
mod logging;
mod metrics;
mod order_input;
mod order_status;
mod orders;
mod orders_by_status;
mod products;
mod program;
mod promotion_uses;
mod rate_limit;
mod reading;
mod refresh;
mod reports;
mod representations;
mod running;
mod settings;
mod soak;
mod storefront;
mod unreadable;
mod unreadable_tables;
mod upgrade;
mod webhooks;
