//! Errors: always JSON, and which of two comes first.

use crate::client::{Answer, Request};
use crate::fixtures::{APITEST, READER};
use crate::harness::{TestApp, keyless_order_request, order_request};

#[tokio::test]
async fn where_nothing_is_everything_is_404() {
    let app = TestApp::start().await;

    for target in [
        "/nowhere",
        "/api",
        "/api/",
        "/api/products",
        "/api/product/1/2",
        "/API/product",
        "/api/order/1/2",
        "/%00",
        "/api/%00",
        "/%FF",
        "/..",
        "/api/../product",
        "/nowhere?x=%00",
    ] {
        for method in ["GET", "POST", "DELETE", "HEAD", "BREW"] {
            let answer = app.send(&Request::new(method, target)).await;
            assert_eq!(answer.status(), 404, "{method} {target}");
            if method != "HEAD" {
                assert_eq!(answer.member("type"), "not_found", "{method} {target}");
            }
        }
    }
}

#[tokio::test]
async fn another_method_is_405_with_the_methods_that_are_allowed() {
    let app = TestApp::start().await;

    for (target, allow) in [
        ("/api/product", "GET, HEAD, OPTIONS"),
        ("/api/product/1", "GET, HEAD, OPTIONS"),
        ("/api/product/abc", "GET, HEAD, OPTIONS"),
        ("/api/order", "GET, HEAD, POST, OPTIONS"),
        (
            "/api/order/0191b3c4-0000-7000-8000-000000000000",
            "GET, HEAD, OPTIONS",
        ),
        ("/health", "GET, HEAD, OPTIONS"),
        ("/ready", "GET, HEAD, OPTIONS"),
        ("/metrics", "GET, HEAD, OPTIONS"),
        ("/openapi.json", "GET, HEAD, OPTIONS"),
        ("/docs", "GET, HEAD, OPTIONS"),
        ("/", "GET, HEAD, OPTIONS"),
    ] {
        for method in ["PUT", "PATCH", "DELETE", "TRACE", "BREW", "get", "X"] {
            let answer = app.send(&Request::new(method, target)).await;
            assert_eq!(
                answer.error(),
                (405, "method_not_allowed".into()),
                "{method} {target}"
            );
            assert_eq!(answer.header("allow"), Some(allow), "{method} {target}");
        }
        let options = app.send(&Request::new("OPTIONS", target)).await;
        assert_eq!((options.status(), options.header("allow")), (204, Some(allow)));
    }
    let post = app.send(&Request::new("POST", "/api/product").body("{}")).await;
    assert_eq!(post.error(), (405, "method_not_allowed".into()));
}

/// The errors of `/api/order` in the order of precedence, each made by one property of the request.
#[tokio::test]
async fn of_two_errors_the_first_in_precedence_is_answered() {
    let app = TestApp::start().await;
    // Each spoils the request in one way; the later ones come first in precedence.
    type Spoil = fn(Parts) -> Parts;
    let spoils: [(u16, Spoil); 8] = [
        (422, |parts| Parts {
            body: r#"{"items":[]}"#.into(),
            ..parts
        }),
        (400, |parts| Parts {
            body: "{".into(),
            ..parts
        }),
        (413, |parts| Parts {
            body: " ".repeat(1024 * 1024 + 1),
            ..parts
        }),
        (415, |parts| Parts {
            content_type: "text/plain",
            ..parts
        }),
        (403, |parts| Parts {
            key: Some(READER),
            ..parts
        }),
        (401, |parts| Parts { key: None, ..parts }),
        (405, |parts| Parts {
            method: "PUT",
            ..parts
        }),
        (404, |parts| Parts {
            target: "/api/orders",
            ..parts
        }),
    ];

    for (index, (_, lesser)) in spoils.iter().enumerate() {
        for (status, greater) in &spoils[index..] {
            let parts = greater(lesser(Parts::good()));
            let answer = app.send(&parts.request()).await;
            assert_eq!(answer.status(), *status, "{:.200}", format!("{parts:?}"));
        }
    }
    assert_eq!(app.order_count().await, 0);
    assert_eq!(app.send(&Parts::good().request()).await.status(), 200);
}

/// What a request to order is made of.
#[derive(Debug)]
struct Parts {
    method: &'static str,
    target: &'static str,
    key: Option<&'static str>,
    content_type: &'static str,
    body: String,
}

impl Parts {
    fn good() -> Parts {
        Parts {
            method: "POST",
            target: "/api/order",
            key: Some(APITEST),
            content_type: "application/json",
            body: r#"{"items":[{"productId":"7","quantity":1}]}"#.into(),
        }
    }

    fn request(&self) -> Request {
        let request = Request::new(self.method, self.target).header("Content-Type", self.content_type);
        let request = self
            .key
            .into_iter()
            .fold(request, |request, key| request.header("api_key", key));
        request.body(&self.body)
    }
}

#[tokio::test]
async fn reading_orders_looks_at_the_key_before_the_parameters() {
    let app = TestApp::start().await;

    for target in ["/api/order?limit=0", "/api/order/nonsense"] {
        assert_eq!(app.get(target).await.status(), 401, "{target}");
        assert_eq!(app.get_as("wrong", target).await.status(), 403, "{target}");
        assert_eq!(app.get_as(APITEST, target).await.status(), 400, "{target}");
    }
}

#[tokio::test]
async fn headers_beyond_eight_thousand_bytes_are_431() {
    let app = TestApp::start().await;
    let large = |bytes: usize| {
        order_request(r#"{"items":[{"productId":"7","quantity":1}]}"#).header("X-Large", "x".repeat(bytes))
    };

    let kind = "request_header_fields_too_large";
    app.refuses(&large(8_000), 431, kind).await;
    app.refuses(&large(60_000), 431, kind).await;
    let many = (0..80).fold(keyless_order_request("{}"), |request, n| {
        request.header(&format!("X-{n}"), "x".repeat(100))
    });
    app.refuses(&many, 431, kind).await;

    assert_eq!(app.send(&large(7_000)).await.status(), 200);
}

#[tokio::test]
async fn what_is_not_http_is_a_client_error_and_ends_the_connection() {
    let app = TestApp::start().await;

    for bytes in [
        "nonsense\r\n\r\n",
        "GET /api/product HTTP/1.1\r\nHost: shop\r\nX-Nul: a\0b\r\n\r\n",
        "GET /api/\0 HTTP/1.1\r\nHost: shop\r\n\r\n",
        "GET /api/product HTTP/9.9\r\nHost: shop\r\n\r\n",
        "GET /api/product HTTP/1.1\r\nNo colon\r\n\r\n",
        "POST /api/order HTTP/1.1\r\nHost: shop\r\nContent-Length: -1\r\n\r\n",
        "POST /api/order HTTP/1.1\r\nHost: shop\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        "POST /api/order HTTP/1.1\r\nHost: shop\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
    ] {
        let mut connection = app.connection().await;
        connection.send(bytes).await;
        let answer = connection.answer().await;
        assert_eq!(answer.as_ref().map(Answer::status), Some(400), "{bytes:?}");
        assert!(connection.answer().await.is_none(), "{bytes:?}");
    }
    let mut connection = app.connection().await;
    connection
        .send(format!("GET / HTTP/1.1\r\nX: {}\r\n", "x".repeat(131_072)))
        .await;
    assert_eq!(connection.answer().await.map(|answer| answer.status()), Some(431));
}

#[tokio::test]
async fn odd_targets_do_no_harm() {
    let app = TestApp::start().await;

    for (bytes, status) in [
        ("OPTIONS * HTTP/1.1\r\nHost: shop\r\n\r\n", 404),
        ("CONNECT example.com:443 HTTP/1.1\r\nHost: shop\r\n\r\n", 404),
        ("GET http://shop/api/product/ HTTP/1.1\r\nHost: shop\r\n\r\n", 200),
        ("GET // HTTP/1.1\r\nHost: shop\r\n\r\n", 200),
        ("GET //api//product// HTTP/1.1\r\nHost: shop\r\n\r\n", 200),
        ("GET /api/product?#x HTTP/1.1\r\nHost: shop\r\n\r\n", 200),
        ("GET /api/product/1/?x=/ HTTP/1.0\r\n\r\n", 200),
        ("GET /? HTTP/1.1\r\nHost: shop\r\n\r\n", 200),
    ] {
        let mut connection = app.connection().await;
        connection.send(bytes).await;
        let answer = connection.answer().await;
        assert_eq!(answer.map(|answer| answer.status()), Some(status), "{bytes:?}");
    }
    assert_eq!(app.get("/health").await.status(), 200);
}

#[tokio::test]
async fn errors_tell_nothing_of_the_inside() {
    let app = TestApp::start().await;
    app.database
        .execute("ALTER TABLE orders RENAME TO elsewhere")
        .await;

    let answer = app.place_order([(7, 1)]).send().await;

    assert_eq!(answer.error(), (503, "unavailable".into()));
    for word in ["orders", "relation", "postgres", "database"] {
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(!message.contains(word), "{message}");
    }
}
