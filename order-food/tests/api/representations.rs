//! Conditional requests, compression, HEAD, slashes, request ids.

use std::io::Read;

use crate::client::{Answer, Request, next_page};
use crate::fixtures::{APITEST, PIZZA};
use crate::harness::TestApp;

fn get(target: &str) -> Request {
    Request::get(target)
}

fn unzipped(answer: &Answer) -> Vec<u8> {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(answer.bytes())
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

#[tokio::test]
async fn the_catalogue_has_one_strong_tag_per_encoding() {
    let app = TestApp::start().await;

    let plain = app.get("/api/product").await;
    let zipped = app
        .send(&get("/api/product").header("Accept-Encoding", "gzip"))
        .await;

    assert_eq!(plain.header("content-encoding"), None);
    assert_eq!(zipped.header("content-encoding"), Some("gzip"));
    assert_eq!(unzipped(&zipped), plain.bytes());
    assert!(zipped.bytes().len() < plain.bytes().len());
    let (plain_tag, zipped_tag) = (plain.header("etag").unwrap(), zipped.header("etag").unwrap());
    assert_ne!(plain_tag, zipped_tag);
    for (answer, tag) in [(&plain, plain_tag), (&zipped, zipped_tag)] {
        assert!(
            tag.starts_with('"') && tag.ends_with('"') && tag.len() > 10,
            "{tag}"
        );
        assert_eq!(answer.all("vary"), ["Accept-Encoding"]);
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    assert_eq!(app.get("/api/product").await.header("etag"), Some(plain_tag));
}

#[tokio::test]
async fn what_the_client_has_is_not_sent_again() {
    let app = TestApp::start().await;

    for target in [
        "/api/product",
        "/api/product/7",
        "/api/product?limit=2",
        "/api/product?category=Pizza",
        "/openapi.json",
        "/openapi.yaml",
        "/docs",
        "/docs/swagger-ui-bundle.js",
    ] {
        for encoding in ["identity", "gzip"] {
            let request = get(target).header("Accept-Encoding", encoding);
            let full = app.send(&request).await;
            let tag = full.header("etag").unwrap();
            let same = app.send(&request.clone().header("If-None-Match", tag)).await;
            assert_eq!(same.status(), 304, "{target}");
            assert!(same.bytes().is_empty(), "{target}");
            for header in ["etag", "vary", "cache-control", "last-modified", "link"] {
                assert_eq!(same.all(header), full.all(header), "{header} of {target}");
            }
            for tags in ["*", &format!("\"x\", {tag}"), &format!("W/{tag}")] {
                let answer = app.send(&request.clone().header("If-None-Match", tags)).await;
                assert_eq!(answer.status(), 304, "{tags}");
            }
            let other = app.send(&request.header("If-None-Match", "\"other\"")).await;
            assert_eq!((other.status(), other.bytes()), (200, full.bytes()), "{target}");
        }
    }
}

#[tokio::test]
async fn the_catalogue_says_when_it_was_published() {
    let app = TestApp::start().await;
    let activated = "SELECT to_char(activated_at AT TIME ZONE 'UTC', 'Dy, DD Mon YYYY HH24:MI:SS \"GMT\"') FROM dataset_versions";
    let published = app.database.value(activated).await;

    let since = |date: String| get("/api/product").header("If-Modified-Since", date);

    assert_eq!(
        app.get("/api/product").await.header("last-modified"),
        Some(&*published)
    );
    assert_eq!(
        app.get("/api/product/7").await.header("last-modified"),
        Some(&*published)
    );
    assert_eq!(app.send(&since(published.clone())).await.status(), 304);
    assert_eq!(
        app.send(&since("Sat, 01 Jan 2000 00:00:00 GMT".into()))
            .await
            .status(),
        200
    );
    assert_eq!(app.send(&since("yesterday".into())).await.status(), 200);
    let both = since(published).header("If-None-Match", "\"other\"");
    assert_eq!(app.send(&both).await.status(), 200);
}

#[tokio::test]
async fn orders_have_tags_too_but_are_the_callers_own() {
    let app = TestApp::start().await;
    let order = app.place_order([(PIZZA, 1)]).accepted().await;
    let one = format!("/api/order/{}", order["id"].as_str().unwrap());

    for target in [one.as_str(), "/api/order"] {
        let answer = app.get_as(APITEST, target).await;
        assert_eq!(answer.header("cache-control"), Some("private, no-cache"));
        let again = get(target)
            .header("api_key", APITEST)
            .header("If-None-Match", answer.header("etag").unwrap());
        assert_eq!(app.send(&again).await.status(), 304, "{target}");
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let app = TestApp::start().await;
    let order = app.place_order([(PIZZA, 1)]).accepted().await;
    let one = format!("/api/order/{}", order["id"].as_str().unwrap());

    for target in [
        "/api/product",
        "/api/product/7",
        "/api/product/77",
        "/api/product/abc",
        "/api/order",
        &one,
        "/health",
        "/ready",
        "/openapi.json",
        "/docs",
        "/nowhere",
    ] {
        let mut connection = app.connection().await;
        let with = |method| {
            Request::new(method, target)
                .header("api_key", APITEST)
                .header("X-Request-ID", "same")
        };
        let got = connection.exchange(&with("GET")).await;
        let head = connection.exchange(&with("HEAD")).await;
        assert_eq!(head.status(), got.status(), "{target}");
        for header in [
            "content-length",
            "content-type",
            "etag",
            "vary",
            "last-modified",
            "cache-control",
            "x-request-id",
        ] {
            assert_eq!(head.header(header), got.header(header), "{header} of {target}");
        }
        assert_eq!(
            got.header("content-length"),
            Some(&*got.bytes().len().to_string()),
            "{target}"
        );
        // The connection is still in step: nothing of a body came.
        assert_eq!(
            connection.exchange(&get("/health")).await.text(),
            r#"{"status":"healthy"}"#
        );
    }
}

#[tokio::test]
async fn a_trailing_slash_is_the_same_resource() {
    let app = TestApp::start().await;

    for target in [
        "/api/product",
        "/api/product/7",
        "/health",
        "/openapi.json",
        "/docs",
        "/metrics",
    ] {
        let answer = app.get(&format!("{target}/")).await;
        assert_eq!(answer.status(), 200, "{target}");
    }
    assert_eq!(
        app.get("/api/product/").await.bytes(),
        app.get("/api/product").await.bytes()
    );
    let page = app.get("/api/product/?limit=1").await;
    assert_eq!(next_page(&page).unwrap(), "/api/product?limit=1&cursor=1");
    let order = Request::new("POST", "/api/order/")
        .header("api_key", APITEST)
        .json(r#"{"items":[{"productId":"7","quantity":1}]}"#);
    assert_eq!(app.send(&order).await.status(), 200);
    assert_eq!(app.get_as(APITEST, "/api/order/").await.status(), 200);
    assert_eq!(app.get("/nowhere/").await.status(), 404);
    assert_eq!(app.send(&Request::new("PUT", "/api/order/")).await.status(), 405);
}

#[tokio::test]
async fn a_sane_request_id_is_echoed() {
    let app = TestApp::start().await;
    let long = "x".repeat(128);

    for id in ["a", "0191b3c4-0000", "with blanks \"and\" <signs>", &long] {
        for target in ["/health", "/nowhere", "/api/order"] {
            let answer = app.send(&get(target).header("X-Request-ID", id)).await;
            assert_eq!(answer.header("x-request-id"), Some(id), "{target}");
            if target != "/health" {
                assert_eq!(answer.json()["requestId"], id, "{target}");
            }
        }
    }
}

#[tokio::test]
async fn a_request_without_a_sane_id_gets_a_new_one() {
    let app = TestApp::start().await;
    let long = "x".repeat(129);
    let mut made = Vec::new();

    for id in ["", "\u{e9}", "a\tb", &long] {
        let answer = app.send(&get("/nowhere").header("X-Request-ID", id)).await;
        made.push(answer.header("x-request-id").unwrap().to_owned());
    }
    made.push(
        app.get("/health")
            .await
            .header("x-request-id")
            .unwrap()
            .to_owned(),
    );

    let count = made.len();
    for id in &made {
        assert!(uuid::Uuid::parse_str(id).is_ok(), "{id}");
    }
    made.sort();
    made.dedup();
    assert_eq!(made.len(), count);
}
