//! For tests only: throw-away PostgreSQL servers, databases cloned from a migrated template, an
//! OTLP receiver, an HTTP client, and the real binaries as child processes, a worker among them.
//!
//! Nothing here but the HTTP client returns an error: a failure here is a failed test.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "for tests only: what fails here is a failed test"
)]

mod binaries;
mod certificate;
mod cluster;
mod data;
mod database;
pub mod http;
pub mod identity;
pub mod otlp;
mod panics;
mod patroni;
mod port;
mod process;
mod random;
mod server;
mod soak;
pub mod webhooks;
mod worker;

pub use binaries::binary;
pub use certificate::tls_server;
pub use cluster::{Cluster, OwnCluster, Pooler, Pooling, Stop, Tls, tool};
pub use data::{Data, SHIPPED};
pub use database::{TestDatabase, settings};
pub use panics::{panic_at, panic_at_line};
pub use patroni::{Patroni, Trio};
pub use port::free_port;
pub use process::{Output, Process, json_lines};
pub use random::Random;
pub use server::{Reply, Request, serve};
pub use soak::scaled;
pub use worker::Worker;

use std::time::{Duration, Instant};

/// How long the waiting functions of this crate wait before they fail the test: a machine with
/// other work may take tens of seconds for what takes one here.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A profile with every dataset but orders, each in a file of its own beside it.
pub const PROFILE: &str = r#"
[operations.products]
sources = ["products.csv"]
[operations.users]
sources = ["users.csv"]
api_keys = ["keys.csv"]
[operations.promotions]
sources = ["promotions.csv"]
[operations.coupon_codes]
sources = ["codes.txt"]
min_files = 1
"#;

/// Asks again and again until `condition` holds; fails the test after [`PATIENCE`].
pub async fn eventually<F: AsyncFnMut() -> bool>(what: &str, mut condition: F) {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
