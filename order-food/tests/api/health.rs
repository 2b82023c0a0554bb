//! The probes, and how the server stops.

use process::failure::ExitCode;
use serde_json::json;
use test_support::{TestDatabase, eventually};

use crate::client::Request;
use crate::fixtures::{self, PIZZA};
use crate::harness::{TestApp, order_request};

#[tokio::test]
async fn a_ready_server_says_what_it_serves() {
    let app = TestApp::start().await;

    let health = app.get("/health").await;
    let ready = app.get("/ready").await;

    assert_eq!(
        (health.status(), health.text().as_str()),
        (200, r#"{"status":"healthy"}"#)
    );
    assert_eq!((ready.status(), &ready.json()["status"]), (200, &json!("ready")));
    assert_eq!(ready.json()["products"], 10);
    for answer in [health, ready] {
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[tokio::test]
async fn without_published_data_the_server_lives_but_is_not_ready() {
    let app = TestApp::over(TestDatabase::migrated().await, |_| ());
    until_reason(&app, "no data version is active yet").await;

    assert_eq!(app.get("/health").await.status(), 200);
    for request in [
        Request::get("/api/product"),
        Request::get("/api/product/1"),
        Request::get("/api/order").header("api_key", "apitest"),
        order_request("{}"),
    ] {
        assert_eq!(
            app.send(&request).await.error(),
            (503, "unavailable".into()),
            "{request:?}"
        );
    }

    fixtures::insert(&app.database).await;
    app.database.execute("NOTIFY dataset_published").await;
    app.server.until_ready_is(200).await;
    assert_eq!(app.get("/api/product/1").await.status(), 200);
}

#[tokio::test]
async fn a_schema_that_is_too_old_is_a_reason_not_to_be_ready() {
    let empty = TestApp::over(TestDatabase::empty().await, |_| ());
    until_reason(&empty, "the schema is too old: version 0, this build needs").await;

    let app = TestApp::start().await;
    app.database
        .execute("DELETE FROM __diesel_schema_migrations WHERE version > '0002'; NOTIFY dataset_published")
        .await;
    until_reason(&app, "the schema is too old: version 2, this build needs").await;
    assert_eq!(app.get("/api/product").await.status(), 200);
}

#[tokio::test]
async fn a_newer_schema_is_no_reason() {
    let app = TestApp::start().await;
    let before = app.get("/ready").await.json();

    app.database
        .execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('1000')")
        .await;
    app.publish("SELECT 1").await;

    let after = app.get("/ready").await;
    assert_eq!(after.status(), 200);
    assert_ne!(after.json(), before);
}

#[tokio::test]
async fn a_server_that_stops_is_not_ready_but_serves_until_it_has_drained() {
    let mut app = TestApp::with(|settings| settings.drain_wait_s = 1).await;

    app.server.stop();

    until_reason(&app, "draining").await;
    let health = app.get("/health").await;
    assert_eq!(
        (health.status(), health.header("connection")),
        (200, Some("close"))
    );
    app.place_order([(PIZZA, 1)]).accepted().await;
    assert!(matches!(app.server.ended().await, Ok(ExitCode::Done)));
    assert_eq!(app.order_count().await, 1);
}

async fn until_reason(app: &TestApp, reason: &str) {
    eventually(reason, async || {
        let answer = app.get("/ready").await;
        let body = answer.json();
        answer.status() == 503
            && body["status"] == "not_ready"
            && body["reason"]
                .as_str()
                .is_some_and(|text| text.starts_with(reason))
    })
    .await;
}
