//! The storefront and the operator console in a real browser, with scripts and without.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what fails in a test's helper is a failed test"
)]

mod browser;
mod driver;
mod relay;
mod shop;
mod tour;

mod accessibility;
mod adaptation;
mod audit;
mod budgets;
mod console;
mod crashes;
mod foreign;
mod keyboard;
mod live;
mod markup;
mod purchase;
mod races;
