//! The REST API of the shop: products and orders. `docs/ARCHITECTURE.md` walks through a request.

mod application;
mod auth;
mod coupons;
pub mod docs;
mod health;
mod http;
mod metrics;
pub mod orders;
mod paging;
mod products;
mod rate_limit;
mod settings;
mod snapshot;
mod spans;

pub use application::Application;
pub use health::{probe, try_order};
pub use settings::Settings;
