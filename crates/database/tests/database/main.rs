//! Connections, TLS, notifications, pool and amounts against a real PostgreSQL.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what fails in a test's helper is a failed test"
)]

mod amount;
mod azure;
mod certificates;
mod connect;
mod hosts;
mod listen;
mod passwords;
mod pool;
mod pooling;
mod rows;
mod settings;
mod tls;

use database::{ConnectError, Database, Settings};
use test_support::Cluster;

/// The URL with the password in clear, its parts changed by `change`.
fn settings(url: &str, change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = test_support::settings(url);
    change(&mut settings);
    settings
}

fn database(settings: &Settings) -> Database {
    Database::new(settings, "test").expect("settings of a test")
}

/// A file that goes with the test.
fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(&file, text).expect("write a temporary file");
    file
}

/// The error with all its causes.
fn said(error: &ConnectError) -> String {
    process::failure::line(error)
}

/// Runs statements on the shared server as its superuser.
async fn as_admin(statements: &str) {
    let admin = database(&test_support::settings(Cluster::shared().admin_url()));
    let client = admin.connect().await.expect("the shared server");
    client.batch_execute(statements).await.expect(statements);
}
