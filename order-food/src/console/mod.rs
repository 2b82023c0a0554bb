//! The operator console: pages on a listener of their own, for the kitchen and for operators.
//!
//! [`routes()`] is the table of all pages with the right that each needs; `visit` lets requests in.

mod audit;
mod board;
mod board_cache;
mod cell;
mod chart;
mod days;
mod dead_letters;
mod exports;
mod flow;
mod job;
mod jobs;
mod loads;
mod login;
mod mask;
mod order;
mod pauses;
mod right;
mod routes;
mod sales;
mod server;
mod session;
mod settings;
mod system;
mod view;
mod visit;
mod webhooks;

use std::time::Duration;

use pages::{Assets, PageHeaders, Signer};

use crate::state::AppState;
pub use right::Right;
pub use routes::routes;
pub(crate) use server::start;
use settings::TraceUrl;
pub(crate) use settings::{ENVIRONMENT, Settings};

/// What all pages of the console share.
pub(crate) struct Console {
    state: AppState,
    registry: prometheus::Registry,
    assets: Assets,
    headers: PageHeaders,
    signer: Signer,
    read_only: bool,
    /// How long the former secret of an endpoint signs beside a new one.
    secret_overlap: Duration,
    boards: board_cache::BoardCache,
    flow: flow::Flow,
    /// Where traces are looked at.
    trace_url: Option<TraceUrl>,
}

/// Pages of the navigation: address, name, and the right to see them.
const PAGES: [(&str, &str, Right); 8] = [
    ("/orders", "Orders", Right::SeeOrders),
    ("/jobs", "Jobs", Right::SeeOperations),
    ("/dead", "Dead letters", Right::SeeOperations),
    ("/webhooks", "Webhooks", Right::SeeOperations),
    ("/sales", "Sales", Right::SeeOperations),
    ("/loads", "Loads", Right::SeeOperations),
    ("/system", "System", Right::SeeOperations),
    ("/audit", "Audit", Right::SeeOperations),
];
