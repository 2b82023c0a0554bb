//! Who may see and change the status of an order.

use serde_json::json;

use super::{cancel, change, events, placed, put, status};
use crate::client::Request;
use crate::fixtures::{ANALYST, APITEST, MANAGER, OPERATOR, OTHER, READER, STAFF, WRITER};
use crate::harness::TestApp;

#[tokio::test]
async fn the_status_is_seen_by_whoever_sees_the_order() {
    let app = TestApp::start().await;
    let order = placed(&app).await;
    let target = format!("/api/order/{order}/status");

    for (key, expected) in [
        (APITEST, 200),
        (STAFF, 200),
        (MANAGER, 200),
        (OTHER, 404),
        (READER, 404),
        (WRITER, 403),
        (ANALYST, 403),
        (OPERATOR, 403),
        ("wrong", 403),
    ] {
        assert_eq!(app.get_as(key, &target).await.status(), expected, "{key}");
    }
    assert_eq!(app.get(&target).await.status(), 401);
}

#[tokio::test]
async fn only_staff_answers_an_order_and_only_its_own_key_takes_it_back() {
    let app = TestApp::start().await;
    let order = placed(&app).await;
    let accept = json!({"status": "accepted"});

    for (key, expected) in [
        (APITEST, 403),
        (OTHER, 403),
        (READER, 403),
        (ANALYST, 403),
        (OPERATOR, 403),
        ("wrong", 403),
    ] {
        assert_eq!(
            app.send(&put(key, &order, &accept)).await.status(),
            expected,
            "{key}"
        );
    }
    for (key, expected) in [
        (OTHER, 404),
        (WRITER, 404),
        (STAFF, 404),
        (READER, 403),
        (ANALYST, 403),
    ] {
        assert_eq!(app.send(&cancel(key, &order)).await.status(), expected, "{key}");
        let by_put = put(key, &order, &json!({"status": "cancelled"}));
        assert_eq!(app.send(&by_put).await.status(), expected, "{key}");
    }
    let keyless = Request::new("POST", &format!("/api/order/{order}/cancel"));
    assert_eq!(app.send(&keyless).await.status(), 401);
    assert_eq!(events(&app, &order).await, "0");

    let cancelled = app.send(&cancel(APITEST, &order)).await;
    let again = app.send(&cancel(APITEST, &order)).await;

    assert_eq!(
        (cancelled.status(), &cancelled.json()["reason"]),
        (200, &json!("customer_asked"))
    );
    assert_eq!(again.bytes(), cancelled.bytes());
    assert_eq!(status(&app, &order).await.bytes(), cancelled.bytes());
    let event = "SELECT actor || ' ' || version FROM order_events";
    assert_eq!(app.database.value(event).await, "customer 2");
    assert_eq!(
        app.database.value("SELECT count(*) FROM operator_actions").await,
        "0"
    );
}

#[tokio::test]
async fn a_customer_who_is_too_late_is_told_so() {
    let app = TestApp::start().await;
    let order = placed(&app).await;
    change(&app.server, &order, "accepted").await;

    let answer = app.send(&cancel(APITEST, &order)).await;

    assert_eq!(answer.error(), (409, "transition_not_allowed".into()));
    assert_eq!(
        (&answer.json()["status"], &answer.json()["allowed"]),
        (&json!("accepted"), &json!([]))
    );
    let request = cancel(APITEST, &order).json(r#"{"reason":"too_busy"}"#);
    assert_eq!(
        app.send(&request).await.error(),
        (422, "reason_not_allowed".into())
    );
    assert_eq!(events(&app, &order).await, "1");
}
