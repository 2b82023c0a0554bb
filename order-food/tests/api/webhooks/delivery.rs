//! From an order placed through the API to a receiver, by a worker of its own process.

use serde_json::{Value, json};
use test_support::webhooks::Receiver;
use test_support::{TestDatabase, Worker, eventually};

use super::{PROGRAM, add, webhooks, webhooks_json};
use crate::fixtures::PIZZA;
use crate::harness::TestApp;

/// A worker that delivers to loopback.
async fn worker(database: &TestDatabase, environment: &[(&str, &str)]) -> Worker {
    let own = [
        ("API_KEY_HASH_KEY", crate::fixtures::HASH_KEYS),
        ("WEBHOOK_ALLOW_PRIVATE", "true"),
    ];
    Worker::start(PROGRAM, database.url(), &[&own, environment].concat()).await
}

#[tokio::test]
async fn an_order_reaches_every_endpoint_signed_and_its_jobs_are_done() {
    let app = TestApp::start().await;
    let (one, other) = (Receiver::start(), Receiver::start());
    let first = add(&app.database, &one.url).await;
    let second = add(&app.database, &other.url).await;
    let mut worker = worker(&app.database, &[]).await;

    let mut orders = Vec::new();
    eventually("orders reach the endpoints", async || {
        let order = app.place_order([(PIZZA, 1)]).accepted().await;
        orders.push(order["id"].as_str().unwrap().to_owned());
        !one.requests().is_empty() && !other.requests().is_empty()
    })
    .await;
    app.database
        .until(
            "every job is done",
            "SELECT count(*) FROM job WHERE kind = 'order.webhook'",
            "0",
        )
        .await;

    assert_eq!(app.database.value("SELECT count(*) FROM job_dead").await, "0");
    for (receiver, secret, foreign) in [
        (&one, &first.secret, &second.secret),
        (&other, &second.secret, &first.secret),
    ] {
        for request in receiver.requests() {
            let body: Value = serde_json::from_str(&request.body).unwrap();
            assert!(
                orders.contains(&body["data"]["orderId"].as_str().unwrap().to_owned()),
                "{body}"
            );
            assert!(request.verifies(secret) && !request.verifies(foreign));
        }
    }
    assert!(worker.process.running());
    let said = worker.stop().await;
    let said = said.stdout + &said.stderr;
    for secret in [&first.secret, &second.secret] {
        assert!(!said.contains(&secret["whsec_".len()..]), "{said}");
    }
}

#[tokio::test]
async fn a_test_event_tells_what_the_receiver_answered_and_leaves_no_dead_letter() {
    let database = TestDatabase::migrated().await;
    let receiver = Receiver::start();
    let well = add(&database, &receiver.url).await;
    let refusing = add(&database, "http://127.0.0.1:1/hook").await;
    let _worker = worker(&database, &[]).await;

    let delivered = webhooks_json(&database, &["test", &well.id]).await;
    let failed = webhooks(&database, &["test", &refusing.id]).await;

    assert_eq!(
        (&delivered["delivered"], &delivered["status"]),
        (&json!(true), &json!(204))
    );
    let requests = receiver.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].verifies(&well.secret), "{requests:?}");
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
    let receiver = Receiver::start();
    let endpoint = add(&app.database, &receiver.url).await;
    receiver.answer("");
    let first = worker(&app.database, &[]).await;
    eventually("an order is on its way", async || {
        app.place_order([(PIZZA, 1)]).accepted().await;
        !receiver.requests().is_empty()
    })
    .await;

    first.process.signal("KILL");
    first.process.wait_output().await;
    receiver.answer("204 No Content");
    // As after 30 s without a heartbeat.
    app.database
        .execute("UPDATE job_worker SET heartbeat_at = now() - interval '1 h'")
        .await;
    let _second = worker(&app.database, &[]).await;
    let lost = receiver.requests()[0].headers["webhook-id"].clone();
    let sent = || {
        let mut requests = receiver.requests();
        requests.retain(|request| request.headers["webhook-id"] == lost);
        requests
    };
    eventually("it is delivered again", async || sent().len() >= 2).await;

    let sent = sent();
    assert_eq!(sent[0].body, sent[1].body);
    assert!(sent[1].verifies(&endpoint.secret));
    app.database
        .until(
            "every job is done",
            "SELECT count(*) FROM job WHERE kind = 'order.webhook'",
            "0",
        )
        .await;
}

#[tokio::test]
async fn a_receiver_of_a_private_authority_is_trusted_if_the_worker_is_told_of_the_authority() {
    let database = TestDatabase::migrated().await;
    let receiver = Receiver::start_tls();
    let endpoint = add(&database, &receiver.url).await;

    let strange = worker(&database, &[]).await;
    let refused = webhooks(&database, &["test", &endpoint.id]).await;
    strange.stop().await;
    let authority = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&authority, &receiver.authority).unwrap();
    let authority = ("SSL_CERT_FILE", authority.path().to_str().unwrap());
    let _trusting = worker(&database, &[authority]).await;
    let delivered = webhooks_json(&database, &["test", &endpoint.id]).await;

    assert!(
        refused.code == Some(1) && refused.stderr.contains("certificate"),
        "{refused:?}"
    );
    assert_eq!(
        (&delivered["delivered"], &delivered["status"]),
        (&json!(true), &json!(204))
    );
    let requests = receiver.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert!(requests[0].verifies(&endpoint.secret), "{requests:?}");
}
