//! Errors for people, and for programs as before.

use crate::client::Request;
use crate::harness::TestApp;

const ACCEPT: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

#[tokio::test]
async fn browsers_get_pages_with_the_request_id_and_programs_get_json() {
    let app = TestApp::open_shop().await;

    for (method, target, status) in [
        ("GET", "/nowhere", 404),
        ("GET", "/order/x", 404),
        ("GET", "/assets/x", 404),
        ("PUT", "/cart", 405),
        ("DELETE", "/", 405),
        ("POST", "/cart/change", 403),
        ("GET", "/cart/change", 405),
    ] {
        let request = Request::new(method, target).header("X-Request-ID", "of-this-test");
        let html = app.send(&request.clone().header("Accept", ACCEPT)).await;
        assert_eq!(html.status(), status, "{method} {target}");
        assert_eq!(
            html.header("content-type"),
            Some("text/html; charset=utf-8"),
            "{target}"
        );
        assert!(html.text().contains("<code>of-this-test</code>"), "{target}");
        assert!(html.header("content-security-policy").is_some(), "{target}");
        for accept in ["application/json", "*/*", ""] {
            let json = app.send(&request.clone().header("Accept", accept)).await;
            assert_eq!(json.status(), status, "{method} {target}");
            assert_eq!(json.json()["code"], status, "{method} {target}");
            assert_eq!(json.header("allow"), html.header("allow"), "{target}");
        }
    }
}

#[tokio::test]
async fn the_api_answers_json_to_browsers_as_well() {
    let app = TestApp::open_shop().await;

    for (method, target, status) in [
        ("GET", "/api/nowhere", 404),
        ("GET", "/api/product/77", 404),
        ("PUT", "/api/product", 405),
        ("POST", "/api/order", 401),
        ("GET", "/docs/nothing.js", 404),
    ] {
        let answer = app
            .send(&Request::new(method, target).header("Accept", ACCEPT))
            .await;
        assert_eq!(answer.status(), status, "{target}");
        assert_eq!(answer.json()["code"], status, "{target}");
        assert!(answer.header("content-security-policy").is_none(), "{target}");
    }
    assert!(app.get("/docs").await.header("content-security-policy").is_none());
}

#[tokio::test]
async fn an_error_page_is_whole_whatever_the_browser_has() {
    let app = TestApp::open_shop().await;

    let request = Request::get("/nowhere")
        .header("Accept", ACCEPT)
        .header("If-None-Match", "*");
    let page = app.send(&request).await;

    assert_eq!(page.status(), 404);
    assert!(page.text().contains("Not found"));
    assert!(page.header("etag").is_none());
}

#[tokio::test]
async fn bodies_that_are_no_forms_are_refused() {
    let app = TestApp::open_shop().await;
    let browser = app.browser();

    for (content_type, status) in [
        ("application/json", 415),
        ("text/plain", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/x-www-form-urlencoded; charset=UTF-8", 303),
        ("APPLICATION/X-WWW-FORM-URLENCODED", 303),
    ] {
        let request = browser
            .request("POST", "/cart/change")
            .header("Content-Type", content_type)
            .body("add=1");
        assert_eq!(app.send(&request).await.status(), status, "{content_type}");
    }
    let large = browser
        .request("POST", "/cart/change")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body("a".repeat(1024 * 1024 + 1));
    assert_eq!(app.send(&large).await.status(), 413);
    let bytes = browser
        .request("POST", "/cart/coupon")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(b"code=%ff%00\xfe&code=2");
    assert_eq!(app.send(&bytes).await.status(), 200);
}

#[tokio::test]
async fn every_page_has_a_head_as_its_get() {
    let app = TestApp::open_shop().await;
    let mut browser = app.browser();
    browser.add(1, 1).await;

    for target in ["/", "/?q=pizza", "/cart", "/orders", "/nowhere"] {
        let with = |method| browser.request(method, target).header("X-Request-ID", "same");
        let (get, head) = (app.send(&with("GET")).await, app.send(&with("HEAD")).await);
        assert_eq!(head.status(), get.status(), "{target}");
        for header in ["content-length", "content-type", "etag", "cache-control", "vary"] {
            assert_eq!(head.header(header), get.header(header), "{header} of {target}");
        }
    }
}
