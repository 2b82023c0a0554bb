//! The ids of answered orders against the ids of stored orders.

use std::thread;

use anyhow::{Context, ensure};

use crate::report::Check;
use crate::server::Server;
use crate::setup::{Database, Setup};

const CLIENTS: usize = 64;
const ORDERS: usize = 50;
const ORDER: &str =
    r#"{"items":[{"productId":"1","quantity":2},{"productId":"3","quantity":1}],"couponCode":"SAVE10"}"#;

/// 64 clients place 50 orders each and read every answer: exactly the answered ids are then in the
/// table, each with its two lines, and nothing else has come.
pub(crate) fn compare(setup: &Setup, server: &Server, database: &Database) -> anyhow::Result<()> {
    let before = database.sql.stored()?;
    let url = server.url("/api/order");
    let client = || {
        let url = url.clone();
        thread::spawn(move || place(&url))
    };
    let clients: Vec<_> = std::iter::repeat_with(client).take(CLIENTS).collect();
    let mut ids = Vec::with_capacity(CLIENTS * ORDERS);
    for client in clients {
        ids.extend(client.join().map_err(|_| anyhow::anyhow!("a client ended"))??);
    }
    let stored = database.sql.stored()?.since(before);
    let known = database.sql.number_of(
        "SELECT count(DISTINCT order_id) FROM orders JOIN order_items ON order_id = orders.id
         WHERE orders.id = ANY ($1::text[]::uuid[]) AND line = 2",
        &[&ids],
    )?;
    let answered = i64::try_from(ids.len())?;
    setup.note(Check {
        what: format!("{}, id by id", database.name),
        answered,
        stored,
        unread: 0,
        holds: stored.orders == answered && stored.lines == 2 * answered && known == answered,
    });
    Ok(())
}

fn place(url: &str) -> anyhow::Result<Vec<String>> {
    let agent = ureq::Agent::new_with_defaults();
    let mut ids = Vec::with_capacity(ORDERS);
    for _ in 0..ORDERS {
        let request = agent.post(url).header("api_key", "apitest");
        let mut answer = request.content_type("application/json").send(ORDER)?;
        let order: serde_json::Value = serde_json::from_str(&answer.body_mut().read_to_string()?)?;
        ensure!(answer.status() == 200, "{order}");
        let id = order.get("id").and_then(serde_json::Value::as_str);
        ids.push(id.context("an order without id")?.to_owned());
    }
    Ok(ids)
}
