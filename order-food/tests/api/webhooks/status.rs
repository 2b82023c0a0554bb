//! The jobs of changed orders: one for each change and endpoint that wants to hear of it.

use serde_json::json;

use super::{add, webhooks_json};
use crate::fixtures::PIZZA;
use crate::harness::TestApp;
use crate::order_status::change;

const URL: &str = "http://127.0.0.1:9/";

#[tokio::test]
async fn endpoints_that_want_changes_get_one_job_for_each_and_the_others_none() {
    let app = TestApp::start().await;
    let wanting = webhooks_json(&app.database, &["add", URL, "--events", "order.status_changed"]).await;
    let disabled = webhooks_json(&app.database, &["add", URL, "--events", "order.status_changed"]).await;
    let id = disabled["id"].as_str().unwrap();
    webhooks_json(&app.database, &["disable", id]).await;
    let order = app.place_order([(PIZZA, 1)]).accepted().await;
    let order = order["id"].as_str().unwrap();
    add(&app.database, URL).await;

    for to in ["accepted", "accepted", "preparing", "placed", "cancelled"] {
        change(&app.server, order, to).await;
    }

    let jobs = app
        .database
        .rows("SELECT payload::text, kind, priority::text FROM job ORDER BY id")
        .await;
    assert_eq!(jobs.len(), 3);
    for (job, (status, version)) in jobs
        .iter()
        .zip([("accepted", 2), ("preparing", 3), ("cancelled", 4)])
    {
        let payload: serde_json::Value = serde_json::from_str(&job[0]).unwrap();
        assert_eq!(job[1..], ["order.webhook", "0"]);
        assert_eq!(payload["endpoint"], wanting["id"]);
        assert_eq!(
            (&payload["event"], &payload["order"]),
            (&json!("order.status_changed"), &json!(order))
        );
        assert_eq!(
            (&payload["status"], &payload["version"]),
            (&json!(status), &json!(version))
        );
        assert_eq!(payload.get("reason").is_some(), status == "cancelled");
        assert_eq!(payload.get("ready_at").is_some(), status != "cancelled");
    }
}
