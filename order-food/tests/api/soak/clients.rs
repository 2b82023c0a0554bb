//! Loops of orders by the clients that shops use: none is lost.

use std::path::Path;
use std::process::Stdio;

use test_support::scaled;
use tokio::process::Command;

use crate::fixtures::APITEST;
use crate::harness::TestApp;

/// Orders that each client places one after the other.
const ORDERS: usize = 1_000;
const ORDER: &str = r#"{"items":[{"productId":"1","quantity":1}]}"#;

/// The command of a client; sources stand in `tests/clients`.
fn command(client: &str, url: &str, count: usize) -> Command {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    let interpreted = |program: &str, first: &[&str], source: &str| {
        let mut command = Command::new(program);
        command.args(first).arg(sources.join(source));
        command.args([url, &count.to_string()]);
        command
    };
    match client {
        "python" => interpreted("python3", &[], "orders.py"),
        "node" => interpreted("node", &[], "orders.mjs"),
        "go" => interpreted("go", &["run"], "orders.go"),
        "java" => interpreted("java", &[], "Orders.java"),
        "curl" => curl("--http1.1", url, count),
        // Asks for HTTP/2 by an upgrade, as the JDK does.
        "curl-upgrade" => curl("--http2", url, count),
        other => panic!("CLIENTS: there is no client {other}"),
    }
}

fn curl(version: &str, url: &str, count: usize) -> Command {
    let mut command = Command::new("curl");
    command
        .args([
            version,
            "--silent",
            "--show-error",
            "--fail-with-body",
            "--fail-early",
            "--max-time",
            "60",
        ])
        .args(["--header", "Content-Type: application/json"])
        .args(["--header", &format!("api_key: {APITEST}")])
        .args(["--data", ORDER])
        // One run, so that it keeps its connections.
        .arg(format!("{url}?[1-{count}]"));
    command
}

/// `CLIENTS` names them; `make e2e-clients` names all.
#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "which clients are there is no setting of a service"
)]
async fn no_client_loses_an_order() {
    let clients = std::env::var("CLIENTS").unwrap_or_else(|_| "curl curl-upgrade".into());
    let app = TestApp::start().await;
    let url = format!("http://{}/api/order", app.server.address());
    let count = scaled(ORDERS);

    for (index, client) in clients.split_whitespace().enumerate() {
        let output = command(client, &url, count).stdin(Stdio::null()).output().await;

        let output = output.unwrap_or_else(|error| panic!("{client}: {error}"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{client}: {}: {said}", output.status);
        assert_eq!(app.order_count().await, count * (index + 1), "{client}: {said}");
        println!("{client}: {count} orders, none lost");
    }
}
