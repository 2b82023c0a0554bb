//! The REST API of the shop: products and orders. `docs/ARCHITECTURE.md` walks through a request.

mod application;
mod auth;
pub mod commands;
pub mod console;
mod coupons;
mod docs;
mod exit_code;
mod health;
mod http;
mod job_status;
mod jobs;
mod live;
mod metrics;
mod operator_actions;
pub mod orders;
mod paging;
mod pieces;
mod products;
mod rate_limit;
mod reference_data;
mod reports;
mod routes;
mod settings;
mod spans;
mod state;
mod storefront;
mod webhooks;
mod worker;

pub use application::Application;
pub use http::Origin;
pub use routes::{openapi_json, openapi_yaml};
pub use settings::{Settings, SnapshotStale};
