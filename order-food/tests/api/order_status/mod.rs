//! The status of orders: reading it, changing it, and what follows from a change.

mod rights;
mod rules;
mod together;
mod walk;

use serde_json::{Value, json};

use crate::client::{Answer, Request};
use crate::fixtures::{APITEST, MANAGER, PIZZA};
use crate::harness::{Server, TestApp};

/// PUT of a status with a key.
pub(crate) fn put(key: &str, order: &str, body: &Value) -> Request {
    Request::new("PUT", &format!("/api/order/{order}/status"))
        .header("api_key", key)
        .json(body.to_string())
}

/// POST of a cancellation with a key, without a body.
pub(crate) fn cancel(key: &str, order: &str) -> Request {
    Request::new("POST", &format!("/api/order/{order}/cancel")).header("api_key", key)
}

/// The change of an order by staff, with a reason where one is needed.
pub(crate) async fn change(server: &Server, order: &str, status: &str) -> Answer {
    let body = match status {
        "rejected" | "cancelled" => json!({"status": status, "reason": "other"}),
        _ => json!({ "status": status }),
    };
    server.send(&put(MANAGER, order, &body)).await
}

pub(crate) async fn status(app: &TestApp, order: &str) -> Answer {
    app.get_as(APITEST, &format!("/api/order/{order}/status")).await
}

/// A new order of `apitest`.
pub(crate) async fn placed(app: &TestApp) -> String {
    app.place_order([(PIZZA, 1)]).id().await
}

/// A new order that staff brought into this state.
async fn in_state(app: &TestApp, status: &str) -> String {
    let order = placed(app).await;
    let way: &[&str] = match status {
        "placed" => &[],
        "accepted" => &["accepted"],
        "preparing" => &["accepted", "preparing"],
        "ready" => &["accepted", "preparing", "ready"],
        "picked_up" => &["accepted", "preparing", "ready", "picked_up"],
        "rejected" => &["rejected"],
        "cancelled" => &["cancelled"],
        other => panic!("no way to {other}"),
    };
    for step in way {
        assert_eq!(change(&app.server, &order, step).await.status(), 200, "{step}");
    }
    order
}

async fn events(app: &TestApp, order: &str) -> String {
    let count = format!("SELECT count(*) FROM order_events WHERE order_id = '{order}'");
    app.database.value(&count).await
}
