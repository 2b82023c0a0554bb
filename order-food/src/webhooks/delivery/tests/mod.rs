//! Deliveries to receivers on loopback, with the state of endpoints in a real database.

use std::sync::atomic::{AtomicUsize, Ordering};

use test_support::webhooks::Receiver;
use test_support::{TestDatabase, free_port};
use uuid::Uuid;

use super::*;
use crate::webhooks::endpoints;
use crate::webhooks::event::EventType;

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

    async fn endpoint(&self, url: &str) -> (EndpointId, WebhookSecret) {
        let secret = WebhookSecret::generate().unwrap();
        let mut connection = self.database.database().connect_diesel().await.unwrap();
        let added = endpoints::add(&mut connection, url, &[EventType::OrderPlaced], &secret).await;
        (added.unwrap().id, secret)
    }

    async fn deliver(&self, endpoint: EndpointId) -> Attempt {
        let event = Event::OrderPlaced { order: self.order };
        let delivery = Delivery { endpoint, event };
        self.deliverer.deliver(&delivery, 0).await.unwrap()
    }

    async fn execute(&self, sql: &str) {
        self.database.execute(sql).await;
    }

    async fn state(&self, columns: &str) -> String {
        let query = format!("SELECT {columns} FROM webhook_endpoints");
        self.database.value(&query).await
    }
}

/// A receiver with this answer, and its endpoint in a database of its own.
async fn answering(answer: &str) -> (Receiver, Fixture, EndpointId, WebhookSecret) {
    let (receiver, fixture) = (Receiver::answering(answer), Fixture::new().await);
    let (endpoint, secret) = fixture.endpoint(&receiver.url).await;
    (receiver, fixture, endpoint, secret)
}

fn failed(attempt: Attempt) -> (Option<Wait>, String) {
    match attempt {
        Attempt::Failed { after, error } => (after, process::failure::line(error.as_ref())),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn each_attempt_has_the_same_id_and_body_and_a_signature_that_the_receiver_can_verify() {
    let (receiver, fixture, endpoint, secret) = answering("500 Broken").await;

    let (after, error) = failed(fixture.deliver(endpoint).await);
    receiver.answer("204 No Content");
    let delivered = fixture.deliver(endpoint).await;

    assert_eq!((after, &*error), (None, "HTTP 500"));
    assert!(matches!(delivered, Attempt::Delivered(_)), "{delivered:?}");
    let [first, second]: [_; 2] = receiver.requests().try_into().unwrap();
    assert_eq!(first.headers["webhook-id"], second.headers["webhook-id"]);
    assert_eq!(first.body, second.body);
    let secret = secret.reveal();
    assert!(first.verifies(&secret) && second.verifies(&secret));
    let body: Value = serde_json::from_str(&first.body).unwrap();
    let at = "SELECT to_json(created_at AT TIME ZONE 'UTC') #>> '{}' FROM orders";
    let at = fixture.database.value(at).await;
    assert_eq!(body["type"], "order.placed");
    assert_eq!(body["data"]["orderId"], fixture.order.to_string());
    let told = body["data"]["changedAt"].as_str().unwrap();
    assert_eq!(
        told.parse::<DateTime<Utc>>().unwrap(),
        format!("{at}Z").parse::<DateTime<Utc>>().unwrap()
    );
    let state = fixture
        .state("failures, failing_since IS NULL, delivered_at IS NULL")
        .await;
    assert_eq!(state, "0|t|f");
}

#[tokio::test]
async fn while_it_is_rotated_both_secrets_verify_and_later_only_the_new_one() {
    let (receiver, fixture, endpoint, former) = answering("200 OK").await;
    let new = WebhookSecret::generate().unwrap();
    let mut connection = fixture.database.database().connect_diesel().await.unwrap();

    endpoints::rotate(&mut connection, endpoint, &new, Duration::from_secs(60))
        .await
        .unwrap();
    fixture.deliver(endpoint).await;
    fixture
        .execute("UPDATE webhook_secrets SET expires_at = now() WHERE expires_at IS NOT NULL")
        .await;
    fixture.deliver(endpoint).await;

    let verified = [(&former, 0), (&new, 0), (&former, 1), (&new, 1)];
    let verified = verified.map(|(secret, index)| receiver.requests()[index].verifies(&secret.reveal()));
    assert_eq!(verified, [true, true, false, true]);
}

#[tokio::test]
async fn a_410_switches_the_endpoint_off_and_nothing_more_is_sent() {
    let (receiver, fixture, endpoint, _) = answering("410 Gone").await;

    let first = fixture.deliver(endpoint).await;
    let second = fixture.deliver(endpoint).await;

    assert!(matches!(first, Attempt::Impossible(_)), "{first:?}");
    assert!(matches!(second, Attempt::Impossible(_)), "{second:?}");
    assert_eq!(receiver.count(), 1);
    let state = fixture
        .state("disabled_reason, probe_at > now() + interval '59 min'")
        .await;
    assert_eq!(state, "gone|t");
}

#[tokio::test]
async fn nothing_is_owed_to_an_endpoint_that_was_off_when_the_order_was_placed() {
    let (receiver, fixture, endpoint, _) = answering("200 OK").await;
    fixture
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
    let (receiver, fixture, endpoint, _) = answering("200 OK").await;
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
    let (receiver, fixture, endpoint, _) = answering("503 Busy\r\nRetry-After: 7").await;

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
    let (receiver, fixture, endpoint, _) = answering("500 Broken").await;

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
    fixture.execute(due).await;
    failed(fixture.deliver(endpoint).await);
    failed(fixture.deliver(endpoint).await);
    assert_eq!(receiver.count(), 6, "one trial, which opens it again");

    fixture.execute(due).await;
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
        .execute("UPDATE webhook_endpoints SET trial_until = now()")
        .await;
    receiver.answer("200 OK");
    let delivered = fixture.deliver(endpoint).await;
    assert!(matches!(delivered, Attempt::Delivered(_)), "{delivered:?}");
    let state = fixture
        .state("failures, open_until IS NULL, trial_until IS NULL")
        .await;
    assert_eq!(state, "0|t|t");
}

#[tokio::test]
async fn failures_for_too_long_switch_an_endpoint_off_and_a_probe_switches_it_on_again() {
    let (receiver, fixture, endpoint, secret) = answering("500 Broken").await;
    failed(fixture.deliver(endpoint).await);
    assert_eq!(fixture.state("disabled_at IS NULL").await, "t");
    fixture
        .execute("UPDATE webhook_endpoints SET failing_since = now() - interval '2 h'")
        .await;

    failed(fixture.deliver(endpoint).await);
    assert_eq!(fixture.state("disabled_reason").await, "failing");
    assert_eq!(fixture.deliverer.probe().await.unwrap(), (0, 0), "not due");

    let due = "UPDATE webhook_endpoints SET probe_at = now()";
    fixture.execute(due).await;
    assert_eq!(fixture.deliverer.probe().await.unwrap(), (1, 0));
    let state = fixture
        .state("probes, probe_at > now() + interval '19 min'")
        .await;
    assert_eq!(state, "1|t");

    receiver.answer("200 OK");
    fixture.execute(due).await;
    assert_eq!(fixture.deliverer.probe().await.unwrap(), (1, 1));
    let probe = receiver.requests().pop().unwrap();
    assert!(probe.verifies(&secret.reveal()));
    assert!(probe.body.contains("endpoint.test"), "{probe:?}");
    let state = fixture
        .state("disabled_at IS NULL, failures, probe_at IS NULL")
        .await;
    assert_eq!(state, "t|0|t");
}

#[tokio::test]
async fn an_endpoint_that_an_operator_disabled_is_not_probed() {
    let (receiver, fixture, endpoint, _) = answering("200 OK").await;
    let mut connection = fixture.database.database().connect_diesel().await.unwrap();
    fixture
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
    let (silent, well) = (Receiver::answering(""), Receiver::answering("200 OK"));
    let limit = Duration::from_secs(3);
    let fixture = Fixture::with(limit).await;
    let (silent_id, _) = fixture.endpoint(&silent.url).await;
    let (well_id, _) = fixture.endpoint(&well.url).await;
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
    let url = format!("http://127.0.0.1:{}/hook", free_port());
    let (endpoint, secret) = fixture.endpoint(&url).await;

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
