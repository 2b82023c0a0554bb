//! Pages of other origins.

use crate::client::{Answer, Request};
use crate::fixtures::APITEST;
use crate::harness::TestApp;

const HEADERS: &str = "api_key, X-API-Key, Content-Type, Idempotency-Key, X-Request-ID, Cache-Control, If-Match, \
    If-Modified-Since, If-None-Match, Last-Event-ID, traceparent, tracestate, baggage, sentry-trace";
const EXPOSED: &str = "ETag, Link, Retry-After, X-Request-ID";
const SHOP: &str = "https://shop.example";

fn preflight(target: &str, method: &str, origin: &str) -> Request {
    Request::new("OPTIONS", target)
        .header("Origin", origin)
        .header("Access-Control-Request-Method", method)
        .header("Access-Control-Request-Headers", "api_key, content-type")
}

fn allowed_origin(answer: &Answer) -> Option<&str> {
    answer.header("access-control-allow-origin")
}

async fn confined(origins: &[&str], credentials: bool) -> TestApp {
    let origins = origins
        .iter()
        .map(|origin| (*origin).to_owned().try_into().unwrap())
        .collect();
    TestApp::with(|settings| {
        settings.cors_allowed_origins = origins;
        settings.cors_allow_credentials = credentials;
    })
    .await
}

#[tokio::test]
async fn a_preflight_needs_no_key_and_is_204_everywhere() {
    let app = TestApp::start().await;

    for (target, method) in [
        ("/api/order", "POST"),
        ("/api/order/", "POST"),
        ("/api/product", "GET"),
        ("/api/order/nonsense", "GET"),
        ("/api/product", "DELETE"),
        ("/nowhere", "PATCH"),
        ("/", "GET"),
    ] {
        let answer = app.send(&preflight(target, method, SHOP)).await;
        assert_eq!(answer.status(), 204, "{target}");
        assert_eq!(allowed_origin(&answer), Some("*"));
        assert_eq!(
            answer.header("access-control-allow-methods"),
            Some("GET, HEAD, POST, PUT, OPTIONS")
        );
        assert_eq!(answer.header("access-control-allow-headers"), Some(HEADERS));
        assert_eq!(answer.header("access-control-max-age"), Some("3600"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
}

#[tokio::test]
async fn every_answer_may_be_read_by_any_origin_by_default_errors_too() {
    let app = TestApp::start().await;

    for (request, status) in [
        (Request::get("/api/product"), 200),
        (Request::new("HEAD", "/api/product"), 200),
        (Request::get("/api/product").header("If-None-Match", "*"), 304),
        (Request::get("/nowhere"), 404),
        (Request::new("PUT", "/api/product"), 405),
        (Request::new("BREW", "/api/product"), 405),
        (Request::new("POST", "/api/order"), 401),
        (Request::new("POST", "/api/order").header("api_key", "wrong"), 403),
        (
            Request::new("POST", "/api/order")
                .header("api_key", APITEST)
                .body("{}"),
            415,
        ),
        (Request::new("POST", "/api/order").header("api_key", APITEST), 400),
        (
            Request::get("/api/product").header("X-Large", "x".repeat(9_000)),
            431,
        ),
    ] {
        let answer = app.send(&request.clone().header("Origin", SHOP)).await;
        assert_eq!(answer.status(), status, "{request:?}");
        assert_eq!(allowed_origin(&answer), Some("*"), "{request:?}");
        assert_eq!(answer.header("access-control-expose-headers"), Some(EXPOSED));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
}

#[tokio::test]
async fn request_headers_of_one_s_own_are_allowed_by_a_setting_each_once() {
    let app = TestApp::with(|settings| {
        settings.cors_allowed_headers = ["X-Shop", "IF-NONE-MATCH", "x-shop", "Authorization"]
            .map(String::from)
            .into();
    })
    .await;

    let answer = app.send(&preflight("/api/order", "POST", SHOP)).await;

    let expected = format!("{HEADERS}, X-Shop, Authorization");
    assert_eq!(answer.header("access-control-allow-headers"), Some(&*expected));
}

#[tokio::test]
async fn without_an_origin_nothing_is_said() {
    let app = TestApp::start().await;

    let answer = app.get("/api/product").await;

    assert_eq!(allowed_origin(&answer), None);
    assert_eq!(answer.header("access-control-expose-headers"), None);
}

#[tokio::test]
async fn configured_origins_are_echoed_and_no_other() {
    let app = confined(&[SHOP, "https://other.example:8443"], true).await;

    for (origin, allowed) in [
        (SHOP, true),
        ("https://other.example:8443", true),
        ("https://other.example", false),
        ("http://shop.example", false),
        ("https://shop.example.evil.example", false),
        ("https://SHOP.example", false),
        ("null", false),
        ("*", false),
    ] {
        let get = Request::get("/api/product").header("Origin", origin);
        let error = Request::get("/nowhere").header("Origin", origin);
        for request in [get, error, preflight("/api/order", "POST", origin)] {
            let answer = app.send(&request).await;
            let expected = allowed.then_some(origin);
            assert_eq!(allowed_origin(&answer), expected, "{request:?}");
            assert_eq!(
                answer.header("access-control-allow-credentials"),
                allowed.then_some("true"),
                "{request:?}"
            );
            assert!(answer.all("vary").contains(&"Origin"), "{request:?}");
        }
        let answer = app.send(&preflight("/api/order", "POST", origin)).await;
        assert_eq!(answer.status(), 204);
        assert_eq!(
            answer.header("access-control-allow-headers"),
            allowed.then_some(HEADERS)
        );
    }
    let answer = app.get("/api/product").await;
    assert_eq!(answer.all("vary"), ["Accept-Encoding", "Origin"]);
}

#[tokio::test]
async fn credentials_need_both_a_setting_and_named_origins() {
    for (origins, credentials) in [(&[SHOP][..], false), (&["*"], true), (&["*", SHOP], true)] {
        let app = confined(origins, credentials).await;
        let answer = app
            .send(&Request::get("/api/product").header("Origin", SHOP))
            .await;
        assert!(allowed_origin(&answer).is_some());
        assert_eq!(
            answer.header("access-control-allow-credentials"),
            None,
            "{origins:?}"
        );
    }
}

#[tokio::test]
async fn options_without_an_origin_is_no_preflight() {
    let app = TestApp::start().await;

    let resource = app.send(&Request::new("OPTIONS", "/api/order")).await;
    let nowhere = app.send(&Request::new("OPTIONS", "/nowhere")).await;

    assert_eq!(resource.header("allow"), Some("GET, HEAD, POST, OPTIONS"));
    assert_eq!(nowhere.status(), 404);
}
