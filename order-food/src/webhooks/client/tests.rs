//! The client against receivers that behave, and against those that do not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// A receiver: each connection is handed to the script after one request was read.
struct Receiver {
    address: SocketAddr,
    requests: Arc<std::sync::Mutex<Vec<String>>>,
}

impl Receiver {
    async fn start<F>(script: impl Fn(TcpStream) -> F + Send + 'static) -> Receiver
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(std::sync::Mutex::new(Vec::new()));
        let seen = requests.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read_request(&mut stream).await;
                seen.lock().unwrap().push(request);
                tokio::spawn(script(stream));
            }
        });
        Receiver { address, requests }
    }

    /// One that writes this and closes.
    async fn answering(answer: &'static str) -> Receiver {
        Receiver::start(move |mut stream| async move {
            let _ = stream.write_all(answer.as_bytes()).await;
        })
        .await
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    async fn post(&self, limit: Duration) -> Result<Answer, SendError> {
        post(self.address, limit).await
    }
}

async fn post(address: SocketAddr, limit: Duration) -> Result<Answer, SendError> {
    let client = WebhookClient::new(true, limit).unwrap();
    let url = format!("http://{address}/hook?team=1");
    client
        .send(Post {
            url: &url,
            id: "msg_1",
            timestamp: 1_750_000_000,
            signatures: "v1,signature".into(),
            body: Bytes::from_static(BODY),
        })
        .await
}

/// Head and body, which is the same each time.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(BODY) && stream.read_buf(&mut text).await.unwrap() > 0 {}
    String::from_utf8(text).unwrap()
}

const BODY: &[u8] = b"{\"type\":\"order.placed\"}";
const LIMIT: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn the_request_carries_the_body_and_the_headers_of_standard_webhooks() {
    let receiver = Receiver::answering("HTTP/1.1 204 No Content\r\n\r\n").await;

    let answer = receiver.post(LIMIT).await.unwrap();

    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    let request = receiver.requests().remove(0);
    assert!(request.starts_with("POST /hook?team=1 HTTP/1.1\r\n"), "{request}");
    assert!(
        request.ends_with("\r\n\r\n{\"type\":\"order.placed\"}"),
        "{request}"
    );
    for header in [
        "content-type: application/json",
        "webhook-id: msg_1",
        "webhook-timestamp: 1750000000",
        "webhook-signature: v1,signature",
        "user-agent: order-food/",
    ] {
        assert!(request.contains(header), "{header}: {request}");
    }
}

#[tokio::test]
async fn a_receiver_that_never_answers_is_left_at_the_limit() {
    let silent = Receiver::start(|stream| async move {
        let _held = stream;
        std::future::pending::<()>().await;
    })
    .await;

    let began = Instant::now();
    let outcome = silent.post(SHORT).await;

    assert!(matches!(outcome, Err(SendError::Late(_))), "{outcome:?}");
    assert!(began.elapsed() < SHORT * 10, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_receiver_that_answers_byte_by_byte_is_left_at_the_limit() {
    let slow = Receiver::start(|mut stream| async move {
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
            .await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;

    let outcome = slow.post(SHORT).await;

    assert!(matches!(outcome, Err(SendError::Late(_))), "{outcome:?}");
}

#[tokio::test]
async fn of_an_answer_of_100_mb_only_the_beginning_is_read() {
    let written = Arc::new(AtomicUsize::new(0));
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n",
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
    ] {
        let count = written.clone();
        count.store(0, Ordering::SeqCst);
        let large = Receiver::start(move |mut stream| {
            let count = count.clone();
            async move {
                let _ = stream.write_all(head.as_bytes()).await;
                let part = vec![b'x'; 64 * 1024];
                for _ in 0..1600 {
                    if stream.write_all(&part).await.is_err() {
                        return;
                    }
                    count.fetch_add(part.len(), Ordering::SeqCst);
                }
            }
        })
        .await;

        let answer = large.post(LIMIT).await.unwrap();

        assert_eq!(answer.status, StatusCode::OK);
        tokio::time::sleep(Duration::from_millis(200)).await;
        // What the sockets of both sides hold, not the whole.
        let taken = written.load(Ordering::SeqCst);
        assert!(taken < 32 * 1024 * 1024, "{taken}");
    }
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let endless = Receiver::start(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    })
    .await;

    let outcome = endless.post(LIMIT).await;

    assert!(matches!(outcome, Err(SendError::Unreachable(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let elsewhere = Receiver::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let target = elsewhere.address;
    let moved = Receiver::start(move |mut stream| async move {
        let answer = format!("HTTP/1.1 307 Moved\r\nLocation: http://{target}/\r\nContent-Length: 0\r\n\r\n");
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await;

    let answer = moved.post(LIMIT).await.unwrap();

    assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!((moved.requests().len(), elsewhere.requests().len()), (1, 0));
}

#[tokio::test]
async fn a_connection_that_closes_in_the_middle_is_no_answer() {
    for (answer, head) in [
        ("", false),
        ("HTTP/1.1 200 OK\r\nContent-Le", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", true),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhalf",
            true,
        ),
        ("SSH-2.0-OpenSSH_9.2\r\n", false),
    ] {
        let outcome = Receiver::answering(answer).await.post(LIMIT).await;
        match outcome {
            Err(SendError::BrokenOff(_)) if head => {}
            Err(SendError::Unreachable(_)) if !head => {}
            other => panic!("{answer:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_port_without_a_listener_is_an_error_that_names_no_path() {
    let address = SocketAddr::from(([127, 0, 0, 1], test_support::free_port()));

    let error = post(address, LIMIT).await.unwrap_err();

    let line = process::failure::line(&error);
    assert!(line.contains("refused"), "{line}");
    assert!(!line.contains("team=1"), "{line}");
}

#[tokio::test]
async fn retry_after_is_read_as_seconds_or_as_a_date_and_bounded() {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
    for (value, from, to) in [
        ("120", 120, 120),
        (" 7 ", 7, 7),
        ("99999999", 86_400, 86_400),
        (&*date, 95, 101),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0, 0),
        // The receiver's clock is years behind ours.
        (
            "Sun, 06 Nov 1994 08:50:37 GMT\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT",
            60,
            60,
        ),
    ] {
        let text = format!("HTTP/1.1 503 Busy\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n");
        let answer = Receiver::answering(text.leak()).await.post(LIMIT).await.unwrap();
        let delay = answer.retry_after.unwrap().as_secs();
        assert!((from..=to).contains(&delay), "{value}: {delay}");
    }
    for value in ["soon", "-1", "1.5"] {
        let text = format!("HTTP/1.1 429 Slow\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n");
        let answer = Receiver::answering(text.leak()).await.post(LIMIT).await.unwrap();
        assert_eq!(
            (answer.status.as_u16(), answer.retry_after),
            (429, None),
            "{value}"
        );
    }
}

#[tokio::test]
async fn without_the_setting_nothing_private_is_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = WebhookClient::new(false, LIMIT).unwrap();

    let hosts = [
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "169.254.169.254",
        "100.64.0.1",
        "localhost",
    ];
    // The resolver reads numbers as addresses, as well as names; TLS takes none of these names.
    let numbers = ["0x7f.1", "2130706433", "127.1"];
    let with_scheme = |scheme: &str, host: &str| format!("{scheme}://{host}:{port}/");
    let encrypted = hosts.map(|host| with_scheme("https", host));
    let plain = hosts.iter().chain(&numbers);
    for url in encrypted
        .into_iter()
        .chain(plain.map(|host| with_scheme("http", host)))
    {
        let post = Post {
            url: &url,
            id: "msg_1",
            timestamp: 0,
            signatures: String::new(),
            body: Bytes::new(),
        };
        let line = process::failure::line(&client.send(post).await.unwrap_err());
        assert!(
            line.contains("not an address of the public internet"),
            "{url}: {line}"
        );
    }
    let connecting = timeout(Duration::from_millis(100), listener.accept()).await;
    assert!(connecting.is_err(), "a connection was opened");
}
