//! Heads of HTTP requests through a raw socket: the server answers or closes, and never hangs.
//!
//! Inputs that once were wrong stand in `tests/corpus/http`, one request each.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::runtime::Runtime;

use crate::client::Request;
use crate::fixtures::APITEST;
use crate::harness::TestApp;

/// The server of all cases, and the runtime of their connections.
struct Target {
    runtime: Runtime,
    app: TestApp,
}

/// Well below the time in which the server gives up an unfinished request.
const PATIENCE: Duration = Duration::from_secs(8);

fn target() -> &'static Target {
    static TARGET: OnceLock<Target> = OnceLock::new();
    TARGET.get_or_init(|| {
        let runtime = Runtime::new().unwrap();
        let app = runtime.block_on(TestApp::start());
        Target { runtime, app }
    })
}

/// The bytes that come back until the server closes; the input ends with them. Each connection has
/// an address of its own, since the ports of one would run out.
async fn exchange(server: SocketAddr, source: u32, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let [_, a, b, c] = source.to_be_bytes();
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, a, b, c.clamp(1, 254)], 0).into())?;
    let mut stream = socket.connect(server).await?;
    // The server may have closed by now.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut answers = Vec::new();
    match stream.read_to_end(&mut answers).await {
        Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => Err(error),
        _ => Ok(answers),
    }
}

/// Fails unless the input is answered by HTTP without a fault of the server, or the connection is
/// closed.
fn is_survived(bytes: &[u8], source: u32) -> Result<(), TestCaseError> {
    let Target { runtime, app } = target();
    let shown = String::from_utf8_lossy(bytes);
    let exchange = exchange(app.server.address(), source, bytes);
    let answers = runtime.block_on(async { tokio::time::timeout(PATIENCE, exchange).await });
    let Ok(answers) = answers else {
        return Err(TestCaseError::fail(format!(
            "the connection hangs after {shown:?}"
        )));
    };
    let answers = answers.map_err(|error| TestCaseError::fail(error.to_string()))?;
    let text = String::from_utf8_lossy(&answers);
    prop_assert!(
        text.is_empty() || text.starts_with("HTTP/1."),
        "{:?}: {:?}",
        shown,
        text
    );
    let is_fault = |line: &str| line.starts_with("HTTP/1.") && line.get(9..10) == Some("5");
    prop_assert!(!text.lines().any(is_fault), "{:?}: {:?}", shown, text);
    Ok(())
}

/// The server still answers as it should.
fn is_alive() {
    let Target { runtime, app } = target();
    runtime.block_on(async {
        assert_eq!(app.get("/health").await.status(), 200);
        let list = Request::get("/api/order").header("api_key", APITEST);
        assert_eq!(app.send(&list).await.status(), 200);
    });
}

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/http");
    let files = std::fs::read_dir(folder).unwrap();
    files
        .map(|file| std::fs::read(file.unwrap().path()).unwrap())
        .collect()
}

/// Parts that parsers trip over.
fn damage() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..16),
        prop::sample::select(vec![
            "\r\n",
            "\n",
            "\r",
            "\r\n\r\n",
            "\0",
            " ",
            "\t",
            ":",
            "\r\n ",
            "HTTP/9.9",
            "HTTP/1.0",
            "%00",
            "%",
            "\u{ff}",
            "é",
            "Content-Length: 5\r\n",
            "Content-Length: -1\r\n",
            "Content-Length: 18446744073709551616\r\n",
            "Transfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Expect: 100-continue\r\n",
            "Connection: close\r\n",
            "Connection: upgrade\r\n",
            "Upgrade: websocket\r\n",
            "Host: a\r\nHost: b\r\n",
            "ffffffffffffffff\r\n",
            "0\r\n\r\n",
            "1;x=\"\r\n",
            "X-Forwarded-For: ,,::1%25,\r\n",
            "traceparent: 00-0-0-0\r\n",
            "If-None-Match: \"\r\n",
            "If-Modified-Since: Thu, 99 Foo 0000 99:99:99 GMT\r\n",
            "Accept-Encoding: gzip;q=\r\n",
            "Idempotency-Key: \r\n",
            "X-Request-ID: \x7f\r\n",
            "Origin: null\r\n",
            "Access-Control-Request-Method: \r\n",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        (any::<u8>(), 0_usize..10_000).prop_map(|(byte, length)| vec![byte; length]),
    ]
}

fn head() -> impl Strategy<Value = Vec<u8>> {
    let method = prop_oneof![
        "GET|POST|HEAD|OPTIONS|PUT|DELETE|CONNECT|TRACE|PRI|get",
        "[!-~]{0,12}"
    ];
    let path = prop_oneof![
        "/api/(product|order)(/[0-9a-f-]{0,36})?(\\?[a-z]{0,6}=[!-~]{0,12})?",
        "/(health|ready|metrics|docs|openapi.json)?",
        "[!-~]{0,40}",
        "\\*|//+|/\\.\\./|http://[a-z]{0,5}/|[a-z]{1,5}:[0-9]{1,6}",
    ];
    let name = prop_oneof![
        "(?i)(host|connection|upgrade|content-length|transfer-encoding|content-type|expect|te|trailer|origin|api_key)",
        "(?i)(x-api-key|idempotency-key|x-request-id|x-forwarded-for|traceparent|accept-encoding|if-none-match|cookie)",
        "[!-~]{1,20}",
    ];
    let value = prop_oneof![
        "[ -~]{0,40}",
        "(?i)(close|keep-alive|upgrade|h2c|websocket|chunked|identity|gzip|100-continue|application/json|apitest)",
        "-?[0-9]{1,21}",
        "\\PC{0,12}",
    ];
    let header = (name, value).prop_map(|(name, value)| format!("{name}: {value}\r\n"));
    let body = prop::collection::vec(any::<u8>(), 0..40);
    (
        method,
        path,
        prop::collection::vec(header, 0..12),
        any::<bool>(),
        body,
    )
        .prop_map(|(method, path, headers, with_host, body)| {
            let host = if with_host { "Host: shop\r\n" } else { "" };
            let head = format!("{method} {path} HTTP/1.1\r\n{host}{}\r\n", headers.concat());
            [head.into_bytes(), body].concat()
        })
}

#[test]
fn inputs_of_the_corpus_are_survived() {
    let inputs = corpus();
    assert!(inputs.len() >= 10, "{}", inputs.len());
    for (source, bytes) in (1..).zip(inputs) {
        is_survived(&bytes, source).unwrap();
        // Cut off anywhere.
        for end in 0..bytes.len() {
            is_survived(&bytes[..end], source).unwrap();
        }
    }
    is_alive();
}

proptest! {
    #[test]
    fn fuzz_any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300), source in any::<u32>()) {
        is_survived(&bytes, source)?;
    }

    #[test]
    fn fuzz_heads_of_any_parts_are_survived(bytes in head(), source in any::<u32>()) {
        is_survived(&bytes, source)?;
    }

    #[test]
    fn fuzz_damaged_requests_are_survived(
        request in prop::sample::select(corpus()),
        damages in prop::collection::vec((damage(), any::<prop::sample::Index>(), 0_usize..8), 1..4),
        source in any::<u32>(),
    ) {
        let mut bytes = request;
        for (damage, place, length) in damages {
            let start = place.index(bytes.len() + 1);
            let end = (start + length).min(bytes.len());
            bytes.splice(start..end, damage);
        }
        is_survived(&bytes, source)?;
        is_alive();
    }
}
