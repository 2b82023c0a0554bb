//! Answers against rows, one by one.

use std::thread;

use anyhow::{Context, ensure};

use crate::http::Connection;
use crate::report::Check;
use crate::server::Server;
use crate::setup::{Database, Setup};

const CLIENTS: usize = 64;
const ORDERS: usize = 50;
const ORDER: &str =
    r#"{"items":[{"productId":"1","quantity":2},{"productId":"3","quantity":1}],"couponCode":"SAVE10"}"#;

/// 64 clients place 50 orders each and read every answer: exactly the answered ids are then in the table, each with its two
/// lines, and nothing else has come.
pub(crate) fn compare(setup: &Setup, server: &Server, database: &Database) -> anyhow::Result<()> {
    let before = database.sql.stored()?;
    let port = server.port;
    let clients: Vec<_> = (0..CLIENTS).map(|_| thread::spawn(move || place(port))).collect();
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

fn place(port: u16) -> anyhow::Result<Vec<String>> {
    let mut connection = Connection::open(port)?;
    let mut ids = Vec::with_capacity(ORDERS);
    for _ in 0..ORDERS {
        let answer = connection.post("/api/order", ORDER)?;
        ensure!(
            answer.status == 200,
            "{}: {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        let order: serde_json::Value = serde_json::from_slice(&answer.body)?;
        let id = order.get("id").and_then(serde_json::Value::as_str);
        ids.push(id.context("an order without id")?.to_owned());
    }
    Ok(ids)
}
