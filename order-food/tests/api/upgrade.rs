//! Requests that ask for another protocol, and other requests that decide about their connection.
//!
//! RFC 9112 §9.6: a server that closes a connection says so, or the client loses its next request.

use test_support::eventually;

use crate::client::{Answer, Connection};
use crate::fixtures::APITEST;
use crate::harness::TestApp;

const ORDER: &str = r#"{"items":[{"productId":"1","quantity":2}]}"#;

/// The headers of requests for another protocol.
const UPGRADES: [&str; 11] = [
    // The JDK's HttpClient, on each new connection, and `curl --http2`.
    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n",
    "Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\n",
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n",
    "Connection: Upgrade\r\n",
    "Connection: keep-alive\r\nConnection: UPGRADE\r\nUpgrade: TLS/1.0, HTTP/2.0\r\n",
    "Upgrade: websocket\r\n",
    "Upgrade: h2c\r\n",
    "Upgrade: HTTP/2.0, SHTTP/1.3, IRC/6.9, RTA/x11\r\n",
    "Connection: close, Upgrade\r\nUpgrade: websocket\r\n",
    "Upgrade: WebSocket\r\nUpgrade: h2c\r\n",
];

fn get(headers: &str) -> String {
    format!("GET /api/product/1 HTTP/1.1\r\nHost: shop\r\n{headers}\r\n")
}

fn post_head(headers: &str, framing: &str) -> String {
    format!(
        "POST /api/order HTTP/1.1\r\nHost: shop\r\napi_key: {APITEST}\r\nContent-Type: application/json\r\n{headers}{framing}\r\n"
    )
}

fn post(headers: &str) -> String {
    post_head(headers, &format!("Content-Length: {}\r\n", ORDER.len())) + ORDER
}

/// Whether the answer ends its connection, which it then must say.
fn closes(answer: &Answer) -> bool {
    let connection = answer
        .header("connection")
        .unwrap_or_default()
        .to_ascii_lowercase();
    assert!(!connection.contains("upgrade"), "{answer:?}");
    assert_eq!(answer.header("upgrade"), None, "{answer:?}");
    connection == "close"
}

/// The connection after an answer does what the answer said of it.
async fn keeps_its_word(connection: &mut Connection, answer: &Answer, what: &str) {
    if closes(answer) {
        assert!(connection.answer().await.is_none(), "{what}");
    } else {
        connection.send(get("")).await;
        let next = connection.answer().await;
        assert_eq!(next.map(|next| next.status()), Some(200), "{what}");
    }
}

#[tokio::test]
async fn requests_to_upgrade_are_served_and_the_answer_tells_the_fate_of_the_connection() {
    let app = TestApp::start().await;

    for (index, headers) in UPGRADES.iter().enumerate() {
        let mut connection = app.connection().await;
        connection.send(get(headers)).await;
        let answer = connection.answer().await.unwrap();
        assert_eq!(answer.status(), 200, "{headers}");
        assert_eq!(answer.json()["id"], "1", "{headers}");
        keeps_its_word(&mut connection, &answer, headers).await;

        let mut connection = app.connection().await;
        connection.send(post(headers)).await;
        let answer = connection.answer().await.unwrap();
        assert_eq!(answer.status(), 200, "{headers}: {answer:?}");
        keeps_its_word(&mut connection, &answer, headers).await;
        assert_eq!(app.order_count().await, index + 1, "{headers}");
    }
}

#[tokio::test]
async fn the_body_of_a_request_to_upgrade_may_come_in_pieces_in_chunks_or_not_at_all() {
    let app = TestApp::start().await;

    for (index, headers) in UPGRADES.iter().enumerate() {
        let mut connection = app.connection().await;
        let whole = post(headers);
        let (head, body) = whole.split_at(whole.len() - 20);
        connection.send(head).await;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        connection.send(body).await;
        let answer = connection.answer().await.unwrap();
        assert_eq!(answer.status(), 200, "{headers}: {answer:?}");
        keeps_its_word(&mut connection, &answer, headers).await;

        let mut connection = app.connection().await;
        let chunked = post_head(headers, "Transfer-Encoding: chunked\r\n");
        connection
            .send(format!("{chunked}{:x}\r\n{ORDER}\r\n0\r\n\r\n", ORDER.len()))
            .await;
        let answer = connection.answer().await.unwrap();
        assert_eq!(answer.status(), 200, "{headers}: {answer:?}");
        keeps_its_word(&mut connection, &answer, headers).await;
        assert_eq!(app.order_count().await, 2 * (index + 1), "{headers}");

        for nothing in ["", "Content-Length: 0\r\n"] {
            let mut connection = app.connection().await;
            connection.send(post_head(headers, nothing)).await;
            let answer = connection.answer().await.unwrap();
            assert_eq!(answer.error(), (400, "malformed_json".into()), "{headers}");
            keeps_its_word(&mut connection, &answer, headers).await;
        }
    }
}

#[tokio::test]
async fn errors_preflights_and_probes_keep_their_word_too() {
    let app = TestApp::start().await;

    for headers in UPGRADES {
        for (request, status) in [
            (
                format!("GET /nowhere HTTP/1.1\r\nHost: shop\r\n{headers}\r\n"),
                404,
            ),
            (
                format!("DELETE /api/order HTTP/1.1\r\nHost: shop\r\n{headers}\r\n"),
                405,
            ),
            (
                format!("POST /api/order HTTP/1.1\r\nHost: shop\r\n{headers}\r\n"),
                401,
            ),
            (
                format!("GET /health HTTP/1.1\r\nHost: shop\r\n{headers}\r\n"),
                200,
            ),
            (
                format!("GET /metrics HTTP/1.1\r\nHost: shop\r\n{headers}\r\n"),
                200,
            ),
            (
                format!("GET /api/product HTTP/1.1\r\nHost: shop\r\nIf-None-Match: *\r\n{headers}\r\n"),
                304,
            ),
            (
                format!(
                    "OPTIONS /api/order HTTP/1.1\r\nHost: shop\r\nOrigin: https://a.example\r\n\
                     Access-Control-Request-Method: POST\r\n{headers}\r\n"
                ),
                204,
            ),
        ] {
            let mut connection = app.connection().await;
            connection.send(&request).await;
            let answer = connection.answer().await.unwrap();
            assert_eq!(answer.status(), status, "{request}");
            keeps_its_word(&mut connection, &answer, &request).await;
        }
    }
}

#[tokio::test]
async fn no_request_behind_one_to_upgrade_is_answered_by_silence() {
    let app = TestApp::start().await;

    for headers in UPGRADES {
        let mut connection = app.connection().await;
        connection
            .send(format!("{}{}{}", get(""), post(headers), get("")))
            .await;
        assert_eq!(connection.answer().await.unwrap().status(), 200, "{headers}");
        let second = connection.answer().await.unwrap();
        assert_eq!(second.status(), 200, "{headers}: {second:?}");
        match connection.answer().await {
            Some(third) => assert_eq!(third.status(), 200, "{headers}"),
            None => assert!(closes(&second), "{headers}: {second:?}"),
        }
    }
}

#[tokio::test]
async fn a_tunnel_is_refused_and_closed() {
    let app = TestApp::start().await;

    for target in ["shop:443", "example.com:80", "/api/order"] {
        let mut connection = app.connection().await;
        connection
            .send(format!("CONNECT {target} HTTP/1.1\r\nHost: shop\r\n\r\n"))
            .await;
        let answer = connection.answer().await.unwrap();
        assert!([400, 404, 405].contains(&answer.status()), "{target}: {answer:?}");
        assert!(closes(&answer), "{target}: {answer:?}");
        assert!(connection.answer().await.is_none(), "{target}");
    }
}

#[tokio::test]
async fn http_2_without_asking_is_refused_and_closed() {
    let app = TestApp::start().await;
    let mut connection = app.connection().await;

    connection.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;

    if let Some(answer) = connection.answer().await {
        assert_eq!(answer.status(), 400, "{answer:?}");
        assert!(connection.answer().await.is_none());
    }
}

#[tokio::test]
async fn a_body_that_waits_for_100_continue_is_asked_for_and_the_connection_goes_on() {
    let app = TestApp::start().await;

    for headers in ["Expect: 100-continue\r\n", "expect: 100-CONTINUE\r\n"] {
        let mut connection = app.connection().await;
        let length = format!("Content-Length: {}\r\n", ORDER.len());
        connection.send(post_head(headers, &length)).await;
        assert_eq!(connection.interim().await, 100, "{headers}");
        connection.send(ORDER).await;
        let answer = connection.answer().await.unwrap();
        assert_eq!(answer.status(), 200, "{answer:?}");
        keeps_its_word(&mut connection, &answer, headers).await;
    }
    assert_eq!(app.order_count().await, 2);
}

#[tokio::test]
async fn a_body_that_is_not_read_does_not_become_the_next_request() {
    let app = TestApp::start().await;
    let hidden = get("");

    for headers in ["", "Expect: 100-continue\r\n", UPGRADES[0], UPGRADES[2]] {
        let mut connection = app.connection().await;
        connection
            .send(format!(
                "POST /api/order HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n{hidden}",
                hidden.len()
            ))
            .await;
        let answer = connection.answer().await.unwrap();
        assert_eq!(answer.error(), (401, "unauthenticated".into()), "{headers}");
        keeps_its_word(&mut connection, &answer, headers).await;
    }
}

#[tokio::test]
async fn requests_in_one_packet_are_answered_in_their_order() {
    let app = TestApp::start().await;
    let mut connection = app.connection().await;
    let one = "GET /api/product/1 HTTP/1.1\r\nHost: shop\r\n\r\n";
    let two = "GET /api/product/2 HTTP/1.1\r\nHost: shop\r\nConnection: keep-alive\r\n\r\n";
    let none = "GET /nowhere HTTP/1.1\r\nHost: shop\r\n\r\n";

    connection
        .send([one, &post(""), none, two, &post(""), one].concat().repeat(4))
        .await;

    for _ in 0..4 {
        for status in [200, 200, 404, 200, 200, 200] {
            let answer = connection.answer().await.unwrap();
            assert_eq!(answer.status(), status, "{answer:?}");
            assert!(!closes(&answer), "{answer:?}");
        }
    }
    eventually("the orders are stored", async || app.order_count().await == 8).await;
}

#[tokio::test]
async fn old_clients_and_those_that_close_get_their_answer_and_the_end() {
    let app = TestApp::start().await;

    for (request, closed) in [
        ("GET /api/product/1 HTTP/1.0\r\n\r\n", true),
        (
            "GET /api/product/1 HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
            true,
        ),
        (
            "GET /api/product/1 HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n",
            true,
        ),
        (
            "GET /api/product/1 HTTP/1.1\r\nHost: shop\r\nConnection: Close, x\r\n\r\n",
            true,
        ),
        (
            "GET /api/product/1 HTTP/1.1\r\nHost: shop\r\nConnection: x, y\r\n\r\n",
            false,
        ),
        (
            "GET /api/product/1 HTTP/1.1\r\nHost: shop\r\nConnection: \r\n\r\n",
            false,
        ),
    ] {
        let mut connection = app.connection().await;
        connection.send(request).await;
        let answer = connection.answer().await.unwrap();
        assert_eq!(answer.status(), 200, "{request}");
        if closed {
            assert!(connection.answer().await.is_none(), "{request}");
        } else {
            keeps_its_word(&mut connection, &answer, request).await;
        }
    }
}
