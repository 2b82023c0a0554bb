//! Stopping: every request that was accepted is answered.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use test_support::TestDatabase;
use test_support::http::{self, Connection};

use crate::customers::Customers;
use crate::pod::{Pod, order_request};

const ORDER: &str = r#"{"items":[{"productId":"1","quantity":1},{"productId":"2","quantity":2}]}"#;

/// Ids of all orders that were stored whole, by this test.
async fn stored(database: &TestDatabase) -> HashSet<String> {
    let whole = "SELECT id FROM orders WHERE total = 34.97 AND
                 (SELECT array_agg(product_id || 'x' || quantity ORDER BY line) FROM order_items WHERE order_id = id)
                 = ARRAY['1x1', '2x2']";
    database.rows(whole).await.into_iter().flatten().collect()
}

async fn some_orders(database: &TestDatabase) {
    test_support::eventually("orders are stored", async || stored(database).await.len() >= 20).await;
}

#[tokio::test]
async fn sigterm_under_a_stream_of_orders_loses_none_and_resets_no_connection() {
    let database = TestDatabase::migrated().await;
    let api = Pod::on(&database).with("DRAIN_WAIT", 2).bring_up().await;
    let customers = Customers::start(4, api.port, |_, _| order_request(ORDER));
    some_orders(&database).await;

    api.process.signal("TERM");

    test_support::eventually("the probe says no", async || {
        let answer = api.get("/ready").await;
        answer.status() == 503 && answer.member("reason") == "draining: the process is stopping"
    })
    .await;
    let during_the_wait = api.order(ORDER).await;
    // Announced, so that no connection is cut between two requests.
    assert_eq!(during_the_wait.header("connection"), Some("close"));
    let mut answered = vec![during_the_wait.member("id")];
    for customer in customers.finish().await {
        assert!(customer.is_announced, "a connection ended between two orders");
        assert!(customer.answers.iter().all(|answer| answer.status() == 200));
        answered.extend(customer.answers.iter().map(|answer| answer.member("id")));
    }
    let output = api.process.wait_output().await;

    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_eq!(during_the_wait.status(), 200);
    let distinct: HashSet<String> = answered.iter().cloned().collect();
    assert_eq!(distinct.len(), answered.len());
    assert_eq!(stored(&database).await, distinct);
}

#[tokio::test]
async fn requests_in_flight_when_the_drain_wait_ends_are_answered() {
    let database = TestDatabase::migrated().await;
    let (_, api) = Pod::ready(&database).await;
    // One whose body is still on its way, and one that waits for a lock.
    let mut slow = Connection::open(("127.0.0.1", api.port)).await.unwrap();
    let bytes = order_request(ORDER).bytes();
    let (most, last) = bytes.split_at(bytes.len() - 1);
    slow.send(most).await.unwrap();
    let lock = database.session("BEGIN; LOCK TABLE orders IN SHARE MODE").await;
    let port = api.port;
    let blocked = tokio::spawn(async move { http::ask(("127.0.0.1", port), &order_request(ORDER)).await });
    let waiting = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    database.until("an order waits for the lock", waiting, "t").await;

    api.process.signal("TERM");
    test_support::eventually("the port is closed", async || api.is_closed().await).await;
    lock.batch_execute("COMMIT").await.unwrap();
    slow.send(last).await.unwrap();
    let finished = slow.answer().await.unwrap();
    let blocked = blocked.await.unwrap().unwrap();

    assert_eq!(
        (finished.status(), blocked.status()),
        (200, 200),
        "{finished:?} {blocked:?}"
    );
    let ids = HashSet::from([finished.member("id"), blocked.member("id")]);
    assert_eq!(stored(&database).await, ids);
    assert_eq!(api.process.wait_output().await.code, Some(0));
}

#[tokio::test]
async fn connections_that_customers_never_close_do_not_hold_up_the_end() {
    let database = TestDatabase::migrated().await;
    let api = Pod::on(&database).with("SHUTDOWN_TIMEOUT", 60).bring_up().await;
    let customers = Customers::start(4, api.port, |_, _| order_request(ORDER));
    let _idle = Connection::open(("127.0.0.1", api.port)).await.unwrap();
    some_orders(&database).await;
    let started = Instant::now();

    let output = api.stop().await;

    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(
        started.elapsed() < Duration::from_secs(30),
        "{:?}",
        started.elapsed()
    );
    let stored = stored(&database).await;
    for answer in customers
        .finish()
        .await
        .into_iter()
        .flat_map(|customer| customer.answers)
    {
        assert_eq!(answer.status(), 200, "{answer:?}");
        assert!(stored.contains(&answer.member("id")), "not stored: {answer:?}");
    }
}

#[tokio::test]
async fn a_second_signal_ends_the_process_at_once() {
    let database = TestDatabase::migrated().await;
    let api = Pod::on(&database).with("DRAIN_WAIT", 600).bring_up().await;
    api.process.signal("TERM");
    test_support::eventually("the drain wait has begun", async || {
        api.get("/ready").await.status() == 503
    })
    .await;

    let output = api.stop().await;

    assert_eq!(output.code, Some(143), "{}", output.stderr);
}

#[tokio::test]
async fn a_pod_that_is_stopped_while_it_starts_ends_with_0() {
    let api = Pod::without_database().listen().await;

    let output = api.stop().await;

    assert_eq!(output.code, Some(0), "{}", output.stderr);
}
