//! Deliveries to receivers on loopback, with the state of endpoints in a real database.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use standardwebhooks::Webhook;
use test_support::TestDatabase;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use uuid::Uuid;

use super::*;
use crate::webhooks::endpoints;
use crate::webhooks::event::EventType;

/// A receiver that gives the same answer to each request, and keeps the requests.
struct Receiver {
    address: SocketAddr,
    answer: Arc<Mutex<String>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    /// An empty answer: it never answers.
    async fn answering(answer: &str) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Receiver {
            address: listener.local_addr().unwrap(),
            answer: Arc::new(Mutex::new(answer.to_owned())),
            requests: Arc::default(),
        };
        let (answer, requests) = (receiver.answer.clone(), receiver.requests.clone());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (answer, requests) = (answer.clone(), requests.clone());
                tokio::spawn(async move {
                    let mut text = Vec::new();
                    let mut buffer = [0; 4096];
                    while !text.ends_with(b"}") {
                        match stream.read(&mut buffer).await {
                            Ok(length @ 1..) => text.extend_from_slice(&buffer[..length]),
                            _ => return,
                        }
                    }
                    requests.lock().unwrap().push(String::from_utf8(text).unwrap());
                    let answer = answer.lock().unwrap().clone();
                    if answer.is_empty() {
                        std::future::pending::<()>().await;
                    }
                    let head = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                    let _ = stream.write_all(head.as_bytes()).await;
                });
            }
        });
        receiver
    }

    fn answer(&self, answer: &str) {
        *self.answer.lock().unwrap() = answer.to_owned();
    }

    fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// Headers and body of a request.
    fn request(&self, index: usize) -> (hyper::HeaderMap, String) {
        let request = self.requests.lock().unwrap()[index].clone();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let headers = head.lines().skip(1).map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.parse().unwrap(), value.parse().unwrap())
        });
        let headers: Vec<(hyper::header::HeaderName, hyper::header::HeaderValue)> = headers.collect();
        (headers.into_iter().collect(), body.to_owned())
    }
}

/// A database with one order, and a deliverer.
struct Fixture {
    database: TestDatabase,
    deliverer: Deliverer,
    order: Uuid,
}

impl Fixture {
    async fn new() -> Fixture {
        Fixture::with(REQUEST_LIMIT).await
    }

    async fn with(limit: Duration) -> Fixture {
        let database = TestDatabase::migrated().await;
        let order = Uuid::now_v7();
        database
            .execute(&format!(
                "INSERT INTO orders (id, api_key_id, subtotal, discount, total) VALUES ('{order}', '{order}', 5, 0, 5)"
            ))
            .await;
        let settings = Settings {
            allow_private: true,
            endpoint_concurrency: 2,
            secret_overlap_s: 60,
            switch_off_after_s: 3600,
        };
        let pool = Pool::new(&database.database(), 4, Duration::from_secs(10));
        let registry = prometheus::Registry::new();
        let mut deliverer = Deliverer::new(&settings, pool, 8, &registry).unwrap();
        deliverer.client = WebhookClient::new(true, limit).unwrap();
        Fixture {
            database,
            deliverer,
            order,
        }
    }

    async fn endpoint(&self, address: SocketAddr) -> (EndpointId, WebhookSecret) {
        let secret = WebhookSecret::generate().unwrap();
        let mut connection = self.database.database().connect_diesel().await.unwrap();
        let url = format!("http://{address}/hook");
        let added = endpoints::add(&mut connection, &url, &[EventType::OrderPlaced], &secret).await;
        (added.unwrap().id, secret)
    }

    async fn deliver(&self, endpoint: EndpointId) -> Attempt {
        let event = Event::OrderPlaced { order: self.order };
        let delivery = Delivery { endpoint, event };
        self.deliverer.deliver(&delivery, 0).await.unwrap()
    }

    async fn state(&self, columns: &str) -> String {
        let query = format!("SELECT {columns} FROM webhook_endpoints");
        self.database.value(&query).await
    }
}

fn failed(attempt: Attempt) -> (Option<Wait>, String) {
    match attempt {
        Attempt::Failed { after, error } => (after, process::failure::line(error.as_ref())),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn each_attempt_has_the_same_id_and_body_and_a_signature_that_the_receiver_can_verify() {
    let receiver = Receiver::answering("500 Broken").await;
    let fixture = Fixture::new().await;
    let (endpoint, secret) = fixture.endpoint(receiver.address).await;

    let (after, error) = failed(fixture.deliver(endpoint).await);
    receiver.answer("204 No Content");
    let delivered = fixture.deliver(endpoint).await;

    assert_eq!((after, &*error), (None, "HTTP 500"));
    assert!(matches!(delivered, Attempt::Delivered(_)), "{delivered:?}");
    let ((first, body), (second, again)) = (receiver.request(0), receiver.request(1));
    assert_eq!((&first["webhook-id"], &body), (&second["webhook-id"], &again));
    for (headers, body) in [(first, &body), (second, &again)] {
        Webhook::new(&secret.reveal())
            .unwrap()
            .verify(body.as_bytes(), &headers)
            .unwrap();
    }
    let body: Value = serde_json::from_str(&body).unwrap();
    let at = fixture
        .database
        .value("SELECT to_json(created_at AT TIME ZONE 'UTC') #>> '{}' FROM orders")
        .await;
    assert_eq!(body["type"], "order.placed");
    assert_eq!(body["data"]["orderId"], fixture.order.to_string());
    let told = body["data"]["changedAt"].as_str().unwrap();
    assert_eq!(
        told.parse::<DateTime<Utc>>().unwrap(),
        format!("{at}Z").parse::<DateTime<Utc>>().unwrap()
    );
    assert_eq!(
        fixture
            .state("failures, failing_since IS NULL, delivered_at IS NULL")
            .await,
        "0|t|f"
    );
}

#[tokio::test]
async fn while_it_is_rotated_both_secrets_verify_and_later_only_the_new_one() {
    let receiver = Receiver::answering("200 OK").await;
    let fixture = Fixture::new().await;
    let (endpoint, former) = fixture.endpoint(receiver.address).await;
    let new = WebhookSecret::generate().unwrap();
    let mut connection = fixture.database.database().connect_diesel().await.unwrap();

    endpoints::rotate(&mut connection, endpoint, &new, Duration::from_secs(60))
        .await
        .unwrap();
    fixture.deliver(endpoint).await;
    fixture
        .database
        .execute("UPDATE webhook_secrets SET expires_at = now() WHERE expires_at IS NOT NULL")
        .await;
    fixture.deliver(endpoint).await;

    let verified = |secret: &WebhookSecret, index| {
        let (headers, body) = receiver.request(index);
        Webhook::new(&secret.reveal())
            .unwrap()
            .verify(body.as_bytes(), &headers)
            .is_ok()
    };
    let verdicts =
        [(&former, 0), (&new, 0), (&former, 1), (&new, 1)].map(|(secret, index)| verified(secret, index));
    assert_eq!(verdicts, [true, true, false, true]);
}

#[tokio::test]
async fn a_410_switches_the_endpoint_off_and_nothing_more_is_sent() {
    let receiver = Receiver::answering("410 Gone").await;
    let fixture = Fixture::new().await;
    let (endpoint, _) = fixture.endpoint(receiver.address).await;

    let first = fixture.deliver(endpoint).await;
    let second = fixture.deliver(endpoint).await;

    assert!(matches!(first, Attempt::Impossible(_)), "{first:?}");
    assert!(matches!(second, Attempt::Impossible(_)), "{second:?}");
    assert_eq!(receiver.count(), 1);
    assert_eq!(
        fixture
            .state("disabled_reason, probe_at > now() + interval '59 min'")
            .await,
        "gone|t"
    );
}

#[tokio::test]
async fn nothing_is_owed_to_an_endpoint_that_was_off_when_the_order_was_placed() {
    let receiver = Receiver::answering("200 OK").await;
    let fixture = Fixture::new().await;
    let (endpoint, _) = fixture.endpoint(receiver.address).await;
    fixture
        .database
        .execute(
            "UPDATE webhook_endpoints SET disabled_at = now() - interval '1 h', disabled_reason = 'operator'",
        )
        .await;

    let attempt = fixture.deliver(endpoint).await;

    assert!(matches!(attempt, Attempt::NotOwed), "{attempt:?}");
    assert_eq!(receiver.count(), 0);
}

#[tokio::test]
async fn what_does_not_exist_is_impossible() {
    let receiver = Receiver::answering("200 OK").await;
    let fixture = Fixture::new().await;
    let (endpoint, _) = fixture.endpoint(receiver.address).await;
    let delivery = |endpoint, order| Delivery {
        endpoint,
        event: Event::OrderPlaced { order },
    };

    for delivery in [
        delivery(Uuid::now_v7(), fixture.order),
        delivery(endpoint, Uuid::now_v7()),
    ] {
        let attempt = fixture.deliverer.deliver(&delivery, 0).await.unwrap();
        assert!(matches!(attempt, Attempt::Impossible(_)), "{attempt:?}");
    }
    assert_eq!(receiver.count(), 0);
}

#[tokio::test]
async fn retry_after_is_passed_on_and_redirects_are_failures() {
    let receiver = Receiver::answering("503 Busy\r\nRetry-After: 7").await;
    let fixture = Fixture::new().await;
    let (endpoint, _) = fixture.endpoint(receiver.address).await;

    let busy = failed(fixture.deliver(endpoint).await);
    receiver.answer("302 Found\r\nLocation: http://127.0.0.1:1/");
    let moved = failed(fixture.deliver(endpoint).await);

    assert_eq!(
        busy,
        (Some(Wait::Asked(Duration::from_secs(7))), "HTTP 503".into())
    );
    assert_eq!(moved, (None, "HTTP 302".into()));
    assert_eq!(receiver.count(), 2);
}

#[tokio::test]
async fn five_failures_open_the_circuit_one_delivery_tries_it_and_a_success_closes_it() {
    let receiver = Receiver::answering("500 Broken").await;
    let fixture = Fixture::new().await;
    let (endpoint, _) = fixture.endpoint(receiver.address).await;

    for _ in 0..5 {
        failed(fixture.deliver(endpoint).await);
    }
    let (after, error) = failed(fixture.deliver(endpoint).await);
    assert!(
        matches!(after, Some(Wait::AtLeast(delay)) if delay.as_secs() >= 29),
        "{after:?}"
    );
    assert!(error.contains("not sent"), "{error}");
    assert_eq!(receiver.count(), 5);

    let due = "UPDATE webhook_endpoints SET open_until = now()";
    fixture.database.execute(due).await;
    failed(fixture.deliver(endpoint).await);
    failed(fixture.deliver(endpoint).await);
    assert_eq!(receiver.count(), 6, "one trial, which opens it again");

    fixture.database.execute(due).await;
    receiver.answer("");
    let trial = async { tokio::time::timeout(Duration::from_millis(500), fixture.deliver(endpoint)).await };
    let other = async {
        while receiver.count() < 7 {
            tokio::task::yield_now().await;
        }
        fixture.deliver(endpoint).await
    };
    let (_, waiting) = tokio::join!(trial, other);
    assert!(matches!(waiting, Attempt::Later(_)), "{waiting:?}");
    assert_eq!(receiver.count(), 7);

    // The worker of the trial was lost.
    fixture
        .database
        .execute("UPDATE webhook_endpoints SET trial_until = now()")
        .await;
    receiver.answer("200 OK");
    let delivered = fixture.deliver(endpoint).await;
    assert!(matches!(delivered, Attempt::Delivered(_)), "{delivered:?}");
    assert_eq!(
        fixture
            .state("failures, open_until IS NULL, trial_until IS NULL")
            .await,
        "0|t|t"
    );
}

#[tokio::test]
async fn failures_for_too_long_switch_an_endpoint_off_and_a_probe_switches_it_on_again() {
    let receiver = Receiver::answering("500 Broken").await;
    let fixture = Fixture::new().await;
    let (endpoint, secret) = fixture.endpoint(receiver.address).await;
    failed(fixture.deliver(endpoint).await);
    assert_eq!(fixture.state("disabled_at IS NULL").await, "t");
    fixture
        .database
        .execute("UPDATE webhook_endpoints SET failing_since = now() - interval '2 h'")
        .await;

    failed(fixture.deliver(endpoint).await);
    assert_eq!(fixture.state("disabled_reason").await, "failing");
    assert_eq!(fixture.deliverer.probe().await.unwrap(), (0, 0), "not due");

    let due = "UPDATE webhook_endpoints SET probe_at = now()";
    fixture.database.execute(due).await;
    assert_eq!(fixture.deliverer.probe().await.unwrap(), (1, 0));
    assert_eq!(
        fixture
            .state("probes, probe_at > now() + interval '19 min'")
            .await,
        "1|t"
    );

    receiver.answer("200 OK");
    fixture.database.execute(due).await;
    assert_eq!(fixture.deliverer.probe().await.unwrap(), (1, 1));
    let (headers, body) = receiver.request(receiver.count() - 1);
    Webhook::new(&secret.reveal())
        .unwrap()
        .verify(body.as_bytes(), &headers)
        .unwrap();
    assert!(body.contains("endpoint.test"), "{body}");
    assert_eq!(
        fixture
            .state("disabled_at IS NULL, failures, probe_at IS NULL")
            .await,
        "t|0|t"
    );
}

#[tokio::test]
async fn an_endpoint_that_an_operator_disabled_is_not_probed() {
    let receiver = Receiver::answering("200 OK").await;
    let fixture = Fixture::new().await;
    let (endpoint, _) = fixture.endpoint(receiver.address).await;
    let mut connection = fixture.database.database().connect_diesel().await.unwrap();
    fixture
        .database
        .execute(
            "UPDATE webhook_endpoints SET disabled_at = now(), disabled_reason = 'gone', probe_at = now()",
        )
        .await;

    endpoints::disable(&mut connection, endpoint).await.unwrap();

    assert_eq!(fixture.deliverer.probe().await.unwrap(), (0, 0));
    assert_eq!(receiver.count(), 0);
}

#[tokio::test]
async fn a_receiver_that_never_answers_keeps_no_others_waiting_and_two_time_outs_open_the_circuit() {
    let (silent, well) = (Receiver::answering("").await, Receiver::answering("200 OK").await);
    let limit = Duration::from_secs(3);
    let fixture = Fixture::with(limit).await;
    let (silent_id, _) = fixture.endpoint(silent.address).await;
    let (well_id, _) = fixture.endpoint(well.address).await;
    let sent = AtomicUsize::new(0);

    let hanging = async { futures_util::future::join_all((0..20).map(|_| fixture.deliver(silent_id))).await };
    let others = async {
        let began = Instant::now();
        for _ in 0..50 {
            let attempt = fixture.deliver(well_id).await;
            assert!(matches!(attempt, Attempt::Delivered(_)), "{attempt:?}");
            sent.fetch_add(1, Ordering::SeqCst);
        }
        began.elapsed()
    };
    let (attempts, took) = tokio::join!(hanging, others);

    assert!(took < limit, "{took:?}");
    assert_eq!(
        (sent.load(Ordering::SeqCst), well.count(), silent.count()),
        (50, 50, 2)
    );
    let later = attempts
        .iter()
        .filter(|attempt| matches!(attempt, Attempt::Later(_)))
        .count();
    assert_eq!(later, 18, "{attempts:?}");
    let (_, error) = failed(fixture.deliver(silent_id).await);
    assert!(error.contains("not sent"), "{error}");
}

#[tokio::test]
async fn no_error_names_the_secret_or_the_path() {
    let fixture = Fixture::new().await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let (endpoint, secret) = fixture.endpoint(address).await;

    let (_, error) = failed(fixture.deliver(endpoint).await);

    let stored = fixture.state("last_error").await;
    for text in [&error, &stored] {
        assert!(text.contains("refused"), "{text}");
        assert!(
            !text.contains("hook") && !text.contains(&secret.reveal()[6..]),
            "{text}"
        );
    }
}
