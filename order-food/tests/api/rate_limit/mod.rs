//! How often a key and an address may ask. One request comes back each minute: none while a test
//! counts.

mod addresses;

use futures_util::future::join_all;
use test_support::eventually;

use crate::client::{Answer, Request};
use crate::fixtures::{self, APITEST, OTHER, PIZZA, READER};
use crate::harness::{TestApp, keyless_order_request, order_request};
use crate::running::Running;

const ORDER: &str = r#"{"items":[{"productId":"7","quantity":1}]}"#;

async fn limited_per_key(requests: u32) -> TestApp {
    TestApp::with(|settings| {
        settings.rate_limit.per_key = 1;
        settings.rate_limit.per_key_burst = requests;
    })
    .await
}

async fn limited_per_address(requests: u32) -> TestApp {
    TestApp::with(|settings| {
        settings.rate_limit.per_address = 1;
        settings.rate_limit.per_address_burst = requests;
    })
    .await
}

fn products() -> Request {
    Request::get("/api/product/1")
}

/// A request with these lines of `X-Forwarded-For`.
fn forwarded(lines: &[&str]) -> Request {
    lines.iter().fold(products(), |request, line| {
        request.header("X-Forwarded-For", line)
    })
}

/// Expects 429 with a whole number of seconds to wait, which is returned.
fn limited(answer: &Answer) -> u64 {
    assert_eq!(answer.status(), 429, "{answer:?}");
    let seconds = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{answer:?}");
    seconds
}

#[tokio::test]
async fn nothing_is_limited_by_default() {
    let app = TestApp::start().await;
    let mut connection = app.connection().await;

    for _ in 0..500 {
        assert_eq!(connection.exchange(&products()).await.status(), 200);
    }
    for _ in 0..50 {
        assert_eq!(connection.exchange(&order_request(ORDER)).await.status(), 200);
    }

    assert_eq!(app.order_count().await, 50);
    assert!(!app.get("/metrics").await.text().contains("requests_limited"));
}

#[tokio::test]
async fn a_key_beyond_its_limit_is_429_and_nothing_is_stored() {
    let app = TestApp::with(|settings| settings.rate_limit.per_key = 5).await;
    for _ in 0..5 {
        app.place_order([(PIZZA, 1)]).accepted().await;
    }

    let answer = app.place_order([(PIZZA, 1)]).send().await;

    assert_eq!(answer.error(), (429, "too_many_requests".into()));
    // Five a minute: one each twelve seconds.
    let seconds = limited(&answer);
    assert!(seconds <= 12, "{seconds}");
    let message = answer.json()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("API key"), "{message}");
    assert_eq!(app.order_count().await, 5);
}

#[tokio::test]
async fn a_key_has_one_allowance_for_all_it_does_and_no_other_key_pays_for_it() {
    let app = limited_per_key(3).await;
    let id = app.place_order([(PIZZA, 1)]).id().await;
    let one = format!("/api/order/{id}");
    app.get_as(APITEST, "/api/order").await;
    app.get_as(APITEST, &one).await;

    for target in ["/api/order", &one] {
        limited(&app.get_as(APITEST, target).await);
        let head = Request::new("HEAD", target).header("X-API-Key", APITEST);
        limited(&app.send(&head).await);
    }
    limited(&app.place_order([(PIZZA, 1)]).send().await);

    app.place_order([(PIZZA, 1)]).key(OTHER).accepted().await;
    assert_eq!(app.get_as(READER, "/api/order").await.status(), 200);
    assert_eq!(app.get_as(APITEST, "/api/product").await.status(), 200);
}

#[tokio::test]
async fn what_goes_before_429_is_answered_while_limited_too_and_429_goes_before_the_rest() {
    let per_key = limited_per_key(1).await;
    per_key.get_as(APITEST, "/api/order").await;
    let per_address = limited_per_address(1).await;
    per_address.get("/api/product").await;
    let with_key = |method: &str, target: &str| Request::new(method, target).header("api_key", APITEST);
    let typed = |media_type: &str, body: &str| {
        with_key("POST", "/api/order")
            .header("Content-Type", media_type)
            .body(body)
    };

    for app in [&per_key, &per_address] {
        for (request, status) in [
            (with_key("GET", "/api/orders"), 404),
            (with_key("GET", "/nowhere"), 404),
            (with_key("PUT", "/api/order"), 405),
            (with_key("POST", "/api/product"), 405),
            (keyless_order_request(ORDER), 401),
            (Request::get("/api/order"), 401),
            (keyless_order_request(ORDER).header("api_key", "wrong"), 403),
            (keyless_order_request(ORDER).header("api_key", READER), 403),
            (typed("text/plain", ORDER), 429),
            (typed("application/json", &" ".repeat(1024 * 1024 + 1)), 429),
            (typed("application/json", "{"), 429),
            (typed("application/json", r#"{"items":[]}"#), 429),
            (typed("application/json", ORDER), 429),
            (with_key("GET", "/api/order?limit=0"), 429),
            (with_key("GET", "/api/order/nonsense"), 429),
        ] {
            let answer = app.send(&request).await;
            assert_eq!(answer.status(), status, "{:.200}", format!("{request:?}"));
        }
        assert_eq!(app.order_count().await, 0);
    }
    for target in [
        "/api/product",
        "/api/product/abc",
        "/api/product?limit=0",
        "/api/product/99",
    ] {
        limited(&per_address.get(target).await);
        assert_ne!(per_key.get(target).await.status(), 429, "{target}");
    }
}

#[tokio::test]
async fn an_address_has_one_allowance_for_the_whole_api() {
    let app = limited_per_address(4).await;
    app.get("/api/product").await;
    app.get("/api/product/1").await;
    app.place_order([(PIZZA, 1)]).accepted().await;
    app.get_as(APITEST, "/api/order").await;

    limited(&app.get("/api/product").await);
    limited(&app.send(&Request::new("HEAD", "/api/product")).await);
    limited(&app.get("/api/product/1").await);
    for key in [APITEST, OTHER] {
        limited(&app.place_order([(PIZZA, 1)]).key(key).send().await);
        limited(&app.get_as(key, "/api/order").await);
    }
    assert_eq!(app.order_count().await, 1);
    let answer = app.get("/api/product").await;
    assert_eq!(answer.member("type"), "too_many_requests");
    let message = answer.json()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("address"), "{message}");
}

#[tokio::test]
async fn probes_metrics_documents_and_preflights_are_not_limited() {
    let app = limited_per_address(1).await;
    app.get("/api/product").await;
    limited(&app.get("/api/product").await);
    let preflight = Request::new("OPTIONS", "/api/order")
        .header("Origin", "https://shop.example")
        .header("Access-Control-Request-Method", "POST");

    for _ in 0..20 {
        for target in ["/health", "/ready", "/metrics", "/openapi.json", "/docs"] {
            assert_eq!(app.get(target).await.status(), 200, "{target}");
        }
        assert_eq!(app.send(&preflight).await.status(), 204);
    }
}

#[tokio::test]
async fn refused_requests_count_against_their_address() {
    for request in [
        Request::get("/api/nowhere"),
        Request::get("/api"),
        Request::new("DELETE", "/api/product"),
        keyless_order_request(ORDER),
        keyless_order_request(ORDER).header("api_key", "guess"),
        keyless_order_request(ORDER).header("api_key", READER),
        Request::get("/api/product/abc"),
        // However the path is written.
        Request::get("/%61pi/nowhere"),
        Request::get("//api//nowhere//"),
        Request::get("/api/product/"),
    ] {
        let app = limited_per_address(3).await;

        for _ in 0..3 {
            assert_ne!(app.send(&request).await.status(), 429, "{request:?}");
        }

        limited(&app.get("/api/product").await);
    }
}

#[tokio::test]
async fn no_writing_of_a_path_goes_around_the_limit() {
    let app = limited_per_address(1).await;
    app.get("/api/product").await;

    for target in [
        "/api/product",
        "/api/product/",
        "//api//product",
        "/%61pi/product",
        "/api/%70roduct",
        "/api/product?x=/health",
    ] {
        // As bytes: the description knows the plain path only.
        let mut connection = app.connection().await;
        connection
            .send(format!("GET {target} HTTP/1.1\r\nHost: shop\r\n\r\n"))
            .await;
        limited(&connection.answer().await.unwrap());
    }
}

#[tokio::test]
async fn who_has_waited_is_served_again() {
    let app = TestApp::with(|settings| {
        settings.rate_limit.per_key = 40;
        settings.rate_limit.per_key_burst = 1;
    })
    .await;

    eventually("the key is limited", async || {
        let answer = app.place_order([(PIZZA, 1)]).send().await;
        // One each one and a half seconds.
        answer.status() == 429 && limited(&answer) <= 2
    })
    .await;

    let stored = app.order_count().await;
    eventually("the key is served again", async || {
        app.place_order([(PIZZA, 1)]).send().await.status() == 200
    })
    .await;
    assert_eq!(app.order_count().await, stored + 1);
}

#[tokio::test]
async fn all_workers_count_together() {
    let app = TestApp::with(|settings| {
        settings.http_workers = 4;
        settings.rate_limit.per_key = 1;
        settings.rate_limit.per_key_burst = 10;
    })
    .await;

    let answers = join_all((0..40).map(|_| app.place_order([(PIZZA, 1)]).send())).await;

    let accepted = answers.iter().filter(|answer| answer.status() == 200).count();
    assert_eq!(accepted, 10);
    assert_eq!(answers.iter().filter(|answer| answer.status() == 429).count(), 30);
    assert_eq!(app.order_count().await, 10);
}

#[tokio::test]
async fn a_page_of_another_origin_may_read_that_it_is_limited() {
    let app = limited_per_address(1).await;
    app.get("/api/product").await;

    let answer = app
        .send(&products().header("Origin", "https://shop.example"))
        .await;

    limited(&answer);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let exposed = answer.header("access-control-expose-headers").unwrap();
    assert!(exposed.contains("Retry-After"), "{exposed}");
}

#[tokio::test]
async fn limited_requests_are_counted_by_kind_and_refused_ones_are_not() {
    let app = TestApp::with(|settings| {
        settings.rate_limit.per_key = 1;
        settings.rate_limit.per_address = 1;
        settings.rate_limit.per_address_burst = 6;
    })
    .await;
    app.get_as(APITEST, "/api/order").await;
    let before = app.get("/metrics").await.text();
    assert!(
        before.contains(r#"requests_limited_total{kind="key"} 0"#),
        "{before}"
    );

    // Five tokens of the address: three refused for the key, two unknown keys; then the address is
    // spent.
    for _ in 0..3 {
        limited(&app.get_as(APITEST, "/api/order").await);
    }
    for _ in 0..4 {
        assert_eq!(app.get_as("wrong", "/api/order").await.status(), 403);
    }
    for _ in 0..2 {
        limited(&app.get("/api/product").await);
    }

    let metrics = app.get("/metrics").await.text();
    for line in [
        r#"requests_limited_total{kind="key"} 3"#,
        r#"requests_limited_total{kind="address"} 2"#,
        r#"http_requests_total{endpoint="/api/product",method="GET",status="429"} 2"#,
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

#[tokio::test]
async fn the_environment_sets_the_limits() {
    let database = fixtures::database().await;
    let program = Running::start(
        database.url(),
        &[
            ("RATE_LIMIT_PER_KEY", "1"),
            ("RATE_LIMIT_PER_KEY_BURST", "2"),
            ("RATE_LIMIT_PER_ADDRESS", "2"),
            ("RATE_LIMIT_PER_ADDRESS_BURST", "1"),
            ("RATE_LIMIT_TABLE_SIZE", "100"),
            ("TRUSTED_PROXIES", "10.0.0.0/8, ::ffff:127.0.0.0/104"),
        ],
    )
    .await;

    for n in 0..3 {
        let address = format!("203.0.113.{n}");
        let listing = Request::get("/api/order")
            .header("api_key", READER)
            .header("X-Forwarded-For", &address);
        // Each from an address that has asked nothing yet.
        let status = program.send(&listing).await.status();
        assert_eq!(status, if n < 2 { 200 } else { 429 }, "{n}");
        let seconds = limited(&program.send(&forwarded(&[&address])).await);
        assert!((2..=30).contains(&seconds), "{seconds}");
    }
}
