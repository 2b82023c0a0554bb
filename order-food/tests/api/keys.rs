//! API keys and their scopes.

use serde_json::Value;
use test_support::eventually;

use crate::client::Request;
use crate::fixtures::{self, APITEST, EXPIRED, GONE, OTHER, PIZZA, READER, REVOKED, STAFF, WRITER, key_id};
use crate::harness::{TestApp, keyless_order_request};
use crate::running::Running;

const ORDER: &str = r#"{"items":[{"productId":"7","quantity":1}]}"#;

#[tokio::test]
async fn without_a_key_everything_about_orders_is_401() {
    let app = TestApp::start().await;
    let order = keyless_order_request(ORDER);

    for request in [
        order.clone(),
        order.clone().header("api_key", ""),
        order.clone().header("X-API-Key", ""),
        order.clone().header("Authorization", "Bearer apitest"),
        Request::new("POST", "/api/order?api_key=apitest").json(ORDER),
        Request::get("/api/order"),
        Request::get("/api/order/0191b3c4-0000-7000-8000-000000000000"),
        Request::get("/api/order/nonsense"),
    ] {
        let answer = app.send(&request).await;
        assert_eq!(answer.error(), (401, "unauthenticated".into()), "{request:?}");
        assert_eq!(
            answer.header("www-authenticate"),
            Some(r#"ApiKey realm="order-food", header="api_key""#)
        );
    }
    assert_eq!(app.order_count().await, 0);
}

#[tokio::test]
async fn a_key_that_is_not_valid_is_403() {
    let app = TestApp::start().await;

    for key in [
        "wrong",
        "APITEST",
        "apitest2",
        "apites",
        EXPIRED,
        REVOKED,
        GONE,
        "\u{e9}",
        "x".repeat(2000).as_str(),
    ] {
        app.refuses(
            &keyless_order_request(ORDER).header("api_key", key),
            403,
            "forbidden",
        )
        .await;
        assert_eq!(app.get_as(key, "/api/order").await.status(), 403, "{key}");
    }
}

#[tokio::test]
async fn a_key_may_do_what_its_scopes_say() {
    let app = TestApp::start().await;
    let id = app.place_order([(PIZZA, 1)]).id().await;
    // Those of `other-key` and of the rest.
    let hash_keys = "SELECT count(DISTINCT hash_key_id) FROM api_keys WHERE active";
    assert_eq!(app.database.value(hash_keys).await, "2");

    for (key, place, list, read) in [
        (APITEST, 200, 200, 200),
        (OTHER, 200, 200, 404),
        (STAFF, 200, 200, 200),
        (READER, 403, 200, 404),
        (WRITER, 200, 403, 403),
    ] {
        let placed = app.place_order([(PIZZA, 1)]).key(key).send().await;
        let listed = app.get_as(key, "/api/order").await;
        let one = app.get_as(key, &format!("/api/order/{id}")).await;
        assert_eq!(
            (placed.status(), listed.status(), one.status()),
            (place, list, read),
            "{key}"
        );
        let stored = format!(
            "SELECT count(*) > 0 FROM orders WHERE api_key_id = '{}'",
            key_id(key)
        );
        let stored = app.database.value(&stored).await;
        assert_eq!(stored, if place == 200 { "t" } else { "f" }, "{key}");
    }
}

#[tokio::test]
async fn both_headers_are_equal_and_must_agree() {
    let app = TestApp::start().await;
    let with = |headers: &[(&str, &str)]| {
        headers
            .iter()
            .fold(keyless_order_request(ORDER), |request, (name, value)| {
                request.header(name, value)
            })
    };

    for headers in [
        &[("api_key", APITEST)][..],
        &[("API_KEY", APITEST)],
        &[("X-API-Key", APITEST)],
        &[("x-api-key", APITEST), ("api_key", APITEST)],
        &[("api_key", APITEST), ("api_key", APITEST)],
    ] {
        assert_eq!(app.send(&with(headers)).await.status(), 200, "{headers:?}");
    }
    let stored = app.order_count().await;
    for headers in [
        &[("api_key", APITEST), ("X-API-Key", OTHER)][..],
        &[("api_key", OTHER), ("X-API-Key", APITEST)],
        &[("api_key", APITEST), ("api_key", OTHER)],
        &[("X-API-Key", APITEST), ("X-API-Key", "wrong")],
        &[("api_key", APITEST), ("X-API-Key", "")],
        &[("api_key", ""), ("X-API-Key", APITEST)],
    ] {
        let answer = app.send(&with(headers)).await;
        assert_eq!(answer.error(), (401, "unauthenticated".into()), "{headers:?}");
    }
    assert_eq!(app.order_count().await, stored);
}

#[tokio::test]
async fn a_key_under_a_hash_key_that_was_dropped_is_403() {
    let app = TestApp::with(|settings| {
        settings.api_key_hash_key = Some("the-first-hash-key-of-tests".into());
    })
    .await;

    let kept = app.place_order([(PIZZA, 1)]).key(APITEST).send().await;
    let dropped = app.place_order([(PIZZA, 1)]).key(OTHER).send().await;

    assert_eq!((kept.status(), dropped.status()), (200, 403));
}

#[tokio::test]
async fn a_revoked_key_stops_working_without_a_restart() {
    let app = TestApp::start().await;
    app.place_order([(PIZZA, 1)]).accepted().await;

    app.publish(
        "UPDATE api_keys SET revoked_at = now() WHERE user_id = '00000000-0000-4000-8000-000000000001'",
    )
    .await;

    let answer = app.place_order([(PIZZA, 1)]).send().await;
    assert_eq!(answer.error(), (403, "forbidden".into()));
    assert_eq!(app.order_count().await, 1);
}

#[tokio::test]
async fn a_key_expires_on_time_without_a_look_at_the_database() {
    let app = TestApp::start().await;

    app.publish("UPDATE api_keys SET expires_at = clock_timestamp() + interval '700 ms'")
        .await;

    assert_eq!(app.get_as(APITEST, "/api/order").await.status(), 200);
    eventually("the key has expired", async || {
        app.get_as(APITEST, "/api/order").await.status() == 403
    })
    .await;
    let expired = "SELECT bool_and(expires_at <= now()) FROM api_keys";
    assert_eq!(app.database.value(expired).await, "t");
}

#[tokio::test]
async fn keys_hashed_under_another_secret_are_403_and_the_log_says_why_once() {
    let database = fixtures::database().await;
    let other = [
        ("API_KEY_HASH_KEY", "a-hash-key-that-the-loader-has-not"),
        ("REFRESH_INTERVAL", "1"),
    ];
    let program = Running::start(database.url(), &other).await;
    let with_message = |start: &str| {
        let is_it = |line: &Value| {
            line["message"]
                .as_str()
                .is_some_and(|text| text.starts_with(start))
        };
        program.lines().iter().filter(|line| is_it(line)).count()
    };

    let order = keyless_order_request(ORDER).header("api_key", APITEST);
    assert_eq!(program.send(&order).await.error(), (403, "forbidden".into()));
    // Read again, with news and without.
    for times in 2..=3 {
        database
            .execute("UPDATE dataset_versions SET activated_at = clock_timestamp() WHERE state = 'active'")
            .await;
        eventually("the data were read again", async || {
            with_message("the shop's data were read") == times
        })
        .await;
    }

    assert_eq!(
        with_message("no API key was hashed under a secret of API_KEY_HASH_KEY"),
        1
    );
    assert_eq!(program.send(&order).await.error(), (403, "forbidden".into()));
    assert_eq!(database.value("SELECT count(*) FROM orders").await, "0");
}
