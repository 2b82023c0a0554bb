//! Webhooks: the operators' commands, the jobs of orders, and their delivery.

mod commands;
mod delivery;
mod orders;
mod status;

use serde_json::Value;
use test_support::{Output, Process, TestDatabase};

const PROGRAM: &str = env!("CARGO_BIN_EXE_order-food");

/// An endpoint as `webhooks add` tells of it.
pub(crate) struct Endpoint {
    pub(crate) id: String,
    pub(crate) secret: String,
}

/// `order-food webhooks …` on this database, where private addresses are allowed.
pub(crate) async fn webhooks(database: &TestDatabase, arguments: &[&str]) -> Output {
    let environment = [
        ("DATABASE_URL", database.url()),
        ("WEBHOOK_ALLOW_PRIVATE", "true"),
    ];
    Process::spawn(PROGRAM, [&["webhooks"], arguments].concat(), &environment)
        .wait_output()
        .await
}

/// The same with JSON output, which must succeed.
pub(crate) async fn webhooks_json(database: &TestDatabase, arguments: &[&str]) -> Value {
    let output = webhooks(database, &[arguments, &["--json"]].concat()).await;
    assert_eq!(output.code, Some(0), "{output:?}");
    serde_json::from_str(&output.stdout).unwrap()
}

/// Adds an endpoint for `order.placed`.
pub(crate) async fn add(database: &TestDatabase, url: &str) -> Endpoint {
    let added = webhooks_json(database, &["add", url]).await;
    Endpoint {
        id: added["id"].as_str().unwrap().to_owned(),
        secret: added["secret"].as_str().unwrap().to_owned(),
    }
}
