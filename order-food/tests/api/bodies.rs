//! Bodies as bytes on the wire: size, framing, type, arrival.

use crate::client::Request;
use crate::fixtures::APITEST;
use crate::harness::{TestApp, order_request};

const ORDER: &str = r#"{"items":[{"productId":"7","quantity":1}]}"#;
const LIMIT: usize = 1024 * 1024;
/// An order as far as its framing.
const HEAD: &str =
    "POST /api/order HTTP/1.1\r\nHost: shop\r\napi_key: apitest\r\nContent-Type: application/json\r\n";

/// An order of exactly `size` bytes.
fn padded(size: usize) -> String {
    let rest = size - ORDER.len() - r#","note":"""#.len();
    format!(
        "{},\"note\":\"{}\"}}",
        ORDER.strip_suffix('}').unwrap(),
        "x".repeat(rest)
    )
}

fn chunked(body: &str) -> Request {
    Request::new("POST", "/api/order")
        .header("api_key", APITEST)
        .header("Content-Type", "application/json")
        .chunked(body)
}

#[tokio::test]
async fn a_body_of_one_mebibyte_is_taken_and_one_byte_more_is_not() {
    let app = TestApp::start().await;

    app.refuses(&order_request(padded(LIMIT + 1)), 413, "payload_too_large")
        .await;
    app.refuses(&chunked(&padded(LIMIT + 1)), 413, "payload_too_large")
        .await;
    app.refuses(&order_request(padded(20 * LIMIT)), 413, "payload_too_large")
        .await;
    app.refuses(&chunked(&padded(20 * LIMIT)), 413, "payload_too_large")
        .await;

    assert_eq!(app.send(&order_request(padded(LIMIT))).await.status(), 200);
    assert_eq!(app.send(&chunked(&padded(LIMIT))).await.status(), 200);
}

#[tokio::test]
async fn a_body_in_chunks_is_a_body() {
    let app = TestApp::start().await;
    let mut connection = app.connection().await;

    connection
        .send(format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n"))
        .await;
    for byte in ORDER.bytes() {
        connection.send(format!("1\r\n{}\r\n", char::from(byte))).await;
    }
    connection.send("0\r\nTrailer: ignored\r\n\r\n").await;

    assert_eq!(connection.answer().await.unwrap().status(), 200);
    assert_eq!(app.send(&chunked(ORDER)).await.status(), 200);
}

#[tokio::test]
async fn only_json_without_encoding_is_taken() {
    let app = TestApp::start().await;
    let typed = |content_type: &str| {
        Request::new("POST", "/api/order")
            .header("api_key", APITEST)
            .header("Content-Type", content_type)
            .body(ORDER)
    };

    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "text/json",
        "json",
        "*/*",
        "",
        "application/xml",
        "multipart/form-data; boundary=application/json",
        "+json",
        "\u{e9}",
    ] {
        app.refuses(&typed(content_type), 415, "unsupported_media_type")
            .await;
    }
    let untyped = Request::new("POST", "/api/order")
        .header("api_key", APITEST)
        .body(ORDER);
    app.refuses(&untyped, 415, "unsupported_media_type").await;
    for encoding in ["gzip", "br", "deflate"] {
        let encoded = typed("application/json").header("Content-Encoding", encoding);
        app.refuses(&encoded, 415, "unsupported_media_type").await;
    }

    for content_type in [
        "application/json",
        "application/json; charset=utf-8",
        "APPLICATION/JSON;charset=UTF-8",
        " application/json ; x=y",
        "application/vnd.shop+json",
    ] {
        assert_eq!(
            app.send(&typed(content_type)).await.status(),
            200,
            "{content_type}"
        );
    }
    let identity = typed("application/json").header("Content-Encoding", "identity");
    assert_eq!(app.send(&identity).await.status(), 200);
}

#[tokio::test]
async fn no_body_at_all_is_malformed() {
    let app = TestApp::start().await;
    let bare = Request::new("POST", "/api/order").header("api_key", APITEST);

    app.refuses(&bare, 400, "malformed_json").await;
    app.refuses(
        &bare.clone().header("Content-Type", "application/json"),
        400,
        "malformed_json",
    )
    .await;
    app.refuses(&bare.body(""), 400, "malformed_json").await;
}

#[tokio::test]
async fn a_body_cut_short_is_answered_400() {
    let app = TestApp::start().await;

    for framing in [
        "Content-Length: 100\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n64\r\n",
    ] {
        let mut connection = app.connection().await;
        connection.send(format!("{HEAD}{framing}{ORDER}")).await;
        connection.half_close().await;

        let answer = connection
            .answer()
            .await
            .expect("an answer before the connection ends");

        assert_eq!(answer.error(), (400, "incomplete_body".into()), "{framing}");
    }
    assert_eq!(app.order_count().await, 0);
}

#[tokio::test]
async fn broken_chunks_are_answered_400() {
    let app = TestApp::start().await;
    let mut connection = app.connection().await;

    connection
        .send(format!(
            "{HEAD}Transfer-Encoding: chunked\r\n\r\nthis is no size\r\n"
        ))
        .await;

    assert_eq!(
        connection.answer().await.unwrap().error(),
        (400, "incomplete_body".into())
    );
    assert_eq!(app.order_count().await, 0);
}

#[tokio::test]
async fn a_client_that_stops_sending_is_answered_408() {
    let app = TestApp::with(|settings| settings.body_timeout_s = 1).await;
    let mut connection = app.connection().await;

    connection
        .send(format!("{HEAD}Content-Length: 100\r\n\r\n{ORDER}"))
        .await;

    assert_eq!(
        connection.answer().await.unwrap().error(),
        (408, "request_timeout".into())
    );
    assert_eq!(app.order_count().await, 0);
}

#[tokio::test]
async fn a_client_that_expects_100_is_told_to_go_on() {
    let app = TestApp::start().await;

    let answer = app
        .send(&order_request(ORDER).header("Expect", "100-continue"))
        .await;

    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn a_connection_serves_on_after_an_error() {
    let app = TestApp::start().await;
    let mut connection = app.connection().await;

    for _ in 0..2 {
        for (request, status) in [
            (order_request("{"), 400),
            (Request::get("/nowhere"), 404),
            (Request::new("DELETE", "/api/product"), 405),
            (Request::new("HEAD", "/api/product"), 200),
            (Request::get("/api/order"), 401),
            (order_request(ORDER), 200),
        ] {
            assert_eq!(
                connection.exchange(&request).await.status(),
                status,
                "{request:?}"
            );
        }
    }
    assert_eq!(app.order_count().await, 2);
}

#[tokio::test]
async fn a_large_body_is_refused_while_it_is_still_coming() {
    let app = TestApp::start().await;
    let mut connection = app.connection().await;

    connection
        .send(
            "POST /api/order HTTP/1.1\r\nHost: shop\r\napi_key: wrong\r\nContent-Type: application/json\r\n\
             Content-Length: 1000000000\r\n\r\n{",
        )
        .await;

    assert_eq!(
        connection.answer().await.unwrap().error(),
        (403, "forbidden".into())
    );
}
