//! From an order placed through the API to a receiver, by a worker of its own process.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use test_support::{Process, TestDatabase, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{PROGRAM, add, webhooks, webhooks_json};
use crate::fixtures::PIZZA;
use crate::harness::TestApp;

/// A receiver on loopback that keeps what it is sent, and answers 204 or not at all.
struct Receiver {
    url: String,
    requests: Arc<Mutex<Vec<(Value, String)>>>,
    silent: Arc<Mutex<bool>>,
}

impl Receiver {
    async fn start() -> Receiver {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .await
            .unwrap();
        let receiver = Receiver {
            url: format!("http://{}/hook", listener.local_addr().unwrap()),
            requests: Arc::default(),
            silent: Arc::default(),
        };
        let (requests, silent) = (receiver.requests.clone(), receiver.silent.clone());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (requests, silent) = (requests.clone(), silent.clone());
                tokio::spawn(async move {
                    let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
                    while !text.ends_with(b"}}") {
                        match stream.read(&mut buffer).await {
                            Ok(length @ 1..) => text.extend_from_slice(&buffer[..length]),
                            _ => return,
                        }
                    }
                    let text = String::from_utf8(text).unwrap();
                    let (head, body) = text.split_once("\r\n\r\n").unwrap();
                    let header = |line: &str| -> Option<(String, Value)> {
                        let (name, value) = line.split_once(": ")?;
                        Some((name.to_lowercase(), json!(value)))
                    };
                    let headers = head.lines().filter_map(header).collect();
                    requests.lock().unwrap().push((headers, body.to_owned()));
                    if *silent.lock().unwrap() {
                        std::future::pending::<()>().await;
                    }
                    let answer = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        receiver
    }

    fn requests(&self) -> Vec<(Value, String)> {
        self.requests.lock().unwrap().clone()
    }

    /// Whether a request was signed with this secret.
    fn verifies(request: &(Value, String), secret: &str) -> bool {
        let headers = request.0.as_object().unwrap().iter();
        let headers = headers.map(|(name, value)| {
            let name: hyper::header::HeaderName = name.parse().unwrap();
            (name, value.as_str().unwrap().parse().unwrap())
        });
        let webhook = standardwebhooks::Webhook::new(secret).unwrap();
        webhook.verify(request.1.as_bytes(), &headers.collect()).is_ok()
    }
}

/// `order-food worker` on this database.
fn worker(database: &TestDatabase) -> Process {
    let environment = [
        ("DATABASE_URL", database.url()),
        ("BIND_ADDRESS", "127.0.0.1"),
        ("PORT", "0"),
        ("DRAIN_WAIT", "0"),
        ("API_KEY_HASH_KEY", crate::fixtures::HASH_KEYS),
        ("LOG_FORMAT", "json"),
        ("WEBHOOK_ALLOW_PRIVATE", "true"),
    ];
    Process::spawn(PROGRAM, ["worker"], &environment)
}

#[tokio::test]
async fn an_order_reaches_every_endpoint_signed_and_its_jobs_are_done() {
    let app = TestApp::start().await;
    let (one, other) = (Receiver::start().await, Receiver::start().await);
    let first = add(&app.database, &one.url).await;
    let second = add(&app.database, &other.url).await;
    let mut worker = worker(&app.database);

    let mut orders = Vec::new();
    eventually("orders reach the endpoints", async || {
        let order = app.place_order([(PIZZA, 1)]).accepted().await;
        orders.push(order["id"].as_str().unwrap().to_owned());
        !one.requests().is_empty() && !other.requests().is_empty()
    })
    .await;
    eventually("every job is done", async || {
        app.database
            .value("SELECT count(*) FROM job WHERE kind = 'order.webhook'")
            .await
            == "0"
    })
    .await;

    assert_eq!(app.database.value("SELECT count(*) FROM job_dead").await, "0");
    for (receiver, secret, foreign) in [
        (&one, &first.secret, &second.secret),
        (&other, &second.secret, &first.secret),
    ] {
        for request in receiver.requests() {
            let body: Value = serde_json::from_str(&request.1).unwrap();
            assert!(
                orders.contains(&body["data"]["orderId"].as_str().unwrap().to_owned()),
                "{body}"
            );
            assert!(Receiver::verifies(&request, secret) && !Receiver::verifies(&request, foreign));
        }
    }
    assert!(worker.running());
    worker.signal("TERM");
    let said = worker.wait_output().await;
    let said = said.stdout + &said.stderr;
    for secret in [&first.secret, &second.secret] {
        assert!(!said.contains(&secret["whsec_".len()..]), "{said}");
    }
}

#[tokio::test]
async fn a_test_event_tells_what_the_receiver_answered_and_leaves_no_dead_letter() {
    let database = TestDatabase::migrated().await;
    let receiver = Receiver::start().await;
    let well = add(&database, &receiver.url).await;
    let refusing = add(&database, "http://127.0.0.1:1/hook").await;
    let _worker = worker(&database);

    let delivered = webhooks_json(&database, &["test", &well.id]).await;
    let failed = webhooks(&database, &["test", &refusing.id]).await;

    assert_eq!(
        (&delivered["delivered"], &delivered["status"]),
        (&json!(true), &json!(204))
    );
    let requests = receiver.requests();
    assert_eq!(requests.len(), 1);
    assert!(Receiver::verifies(&requests[0], &well.secret), "{requests:?}");
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(
        failed.stderr.contains("not delivered") && failed.stderr.contains("refused"),
        "{failed:?}"
    );
    assert_eq!(database.value("SELECT count(*) FROM job_dead").await, "0");
}

#[tokio::test]
async fn a_worker_killed_in_the_middle_delivers_again_under_the_same_id() {
    let app = TestApp::start().await;
    let receiver = Receiver::start().await;
    let endpoint = add(&app.database, &receiver.url).await;
    *receiver.silent.lock().unwrap() = true;
    let first = worker(&app.database);
    eventually("an order is on its way", async || {
        app.place_order([(PIZZA, 1)]).accepted().await;
        !receiver.requests().is_empty()
    })
    .await;

    first.signal("KILL");
    first.wait_output().await;
    *receiver.silent.lock().unwrap() = false;
    // As after 30 s without a heartbeat.
    app.database
        .execute("UPDATE job_worker SET heartbeat_at = now() - interval '1 h'")
        .await;
    let _second = worker(&app.database);
    let lost = receiver.requests()[0].0["webhook-id"].clone();
    let sent = || {
        let mut requests = receiver.requests();
        requests.retain(|(headers, _)| headers["webhook-id"] == lost);
        requests
    };
    eventually("it is delivered again", async || sent().len() >= 2).await;

    let sent = sent();
    assert_eq!(sent[0].1, sent[1].1);
    assert!(Receiver::verifies(&sent[1], &endpoint.secret));
    eventually("every job is done", async || {
        app.database
            .value("SELECT count(*) FROM job WHERE kind = 'order.webhook'")
            .await
            == "0"
    })
    .await;
}
