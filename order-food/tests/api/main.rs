//! The API over HTTP: the real server, the real database, nothing replaced.

mod bodies;
mod builders;
mod client;
mod contract;
mod coupons;
mod errors;
mod fixtures;
mod harness;
mod keys;
mod order_input;
mod orders;
mod products;
mod promotion_uses;
mod reading;
mod representations;
