//! Stopping: nobody who was promised an answer goes without one.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use test_support::TestDatabase;

use crate::http::{Connection, Request};
use crate::pod::Pod;

const ORDER: &str = r#"{"items":[{"productId":"1","quantity":1},{"productId":"2","quantity":2}]}"#;

/// Ids of all orders that were stored whole, by this test.
async fn stored(database: &TestDatabase) -> HashSet<String> {
    let whole = "SELECT id FROM orders WHERE total = 34.97 AND
                 (SELECT array_agg(product_id || 'x' || quantity ORDER BY line) FROM order_items WHERE order_id = id)
                 = ARRAY['1x1', '2x2']";
    database
        .rows(whole)
        .await
        .into_iter()
        .map(|mut row| row.remove(0))
        .collect()
}

/// Places orders one after another on one connection until the server says with an answer that it closes it; ids of all.
///
/// A connection that is closed between two orders, or breaks without an answer, fails the test.
async fn customer(port: u16) -> Vec<String> {
    let mut ids = Vec::new();
    let mut connection = Connection::open(port).await.unwrap();
    loop {
        let answer = connection
            .send(&Request::order(ORDER))
            .await
            .expect("an answer to every order");
        assert_eq!(answer.status, 200, "{answer:?}");
        ids.push(answer.member("id"));
        if answer.header("connection") == Some("close") {
            return ids;
        }
    }
}

async fn some_orders(database: &TestDatabase) {
    test_support::eventually("orders are stored", async || stored(database).await.len() >= 20).await;
}

#[tokio::test]
async fn sigterm_under_a_stream_of_orders_loses_none_and_resets_nobody() {
    let database = TestDatabase::migrated().await;
    let pod = Pod::on(&database).with("DRAIN_WAIT", 2);
    pod.load().await;
    let api = pod.serve().await;
    let customers: Vec<_> = (0..4).map(|_| tokio::spawn(customer(api.port))).collect();
    some_orders(&database).await;

    api.process.signal("TERM");

    test_support::eventually("the probe says no", async || {
        let answer = api.get("/ready").await;
        answer.status == 503 && answer.member("reason") == "draining: the process is stopping"
    })
    .await;
    let during_the_wait = api.order(ORDER).await;
    // Who keeps a connection is told to go elsewhere, so that none is cut between two requests.
    assert_eq!(during_the_wait.header("connection"), Some("close"));
    let mut answered = vec![during_the_wait.member("id")];
    for customer in customers {
        answered.extend(customer.await.unwrap());
    }
    let output = api.process.wait_output().await;

    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_eq!(during_the_wait.status, 200);
    let distinct: HashSet<String> = answered.iter().cloned().collect();
    assert_eq!(distinct.len(), answered.len());
    assert_eq!(stored(&database).await, distinct);
}

#[tokio::test]
async fn requests_in_flight_when_the_drain_wait_ends_are_answered() {
    let database = TestDatabase::migrated().await;
    let (_, api) = Pod::ready(&database).await;
    // One whose body is still on its way, and one that waits for a lock.
    let mut slow = Connection::open(api.port).await.unwrap();
    slow.begin(&Request::order(ORDER)).await.unwrap();
    let lock = database.client().await;
    lock.batch_execute("BEGIN; LOCK TABLE orders IN SHARE MODE")
        .await
        .unwrap();
    let port = api.port;
    let blocked = tokio::spawn(async move {
        let mut connection = Connection::open(port).await.unwrap();
        connection.send(&Request::order(ORDER)).await
    });
    let waiting = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    test_support::eventually("an order waits for the lock", async || {
        database.value(waiting).await == "t"
    })
    .await;

    api.process.signal("TERM");
    test_support::eventually("nobody listens any more", async || api.is_closed().await).await;
    lock.batch_execute("COMMIT").await.unwrap();
    let finished = slow.finish(&Request::order(ORDER)).await.unwrap();
    let blocked = blocked.await.unwrap().unwrap();

    assert_eq!(
        (finished.status, blocked.status),
        (200, 200),
        "{finished:?} {blocked:?}"
    );
    let ids = HashSet::from([finished.member("id"), blocked.member("id")]);
    assert_eq!(stored(&database).await, ids);
    assert_eq!(api.process.wait_output().await.code, Some(0));
}

#[tokio::test]
async fn customers_who_never_let_go_of_their_connections_do_not_hold_up_the_end() {
    let database = TestDatabase::migrated().await;
    let pod = Pod::on(&database).with("SHUTDOWN_TIMEOUT", 60);
    pod.load().await;
    let api = pod.serve().await;
    let port = api.port;
    // They go on until the server closes the connection after an answer, or between two requests.
    let customers: Vec<_> = (0..4)
        .map(|_| {
            tokio::spawn(async move {
                let mut ids = Vec::new();
                let mut connection = Connection::open(port).await.unwrap();
                while let Ok(answer) = connection.send(&Request::order(ORDER)).await {
                    assert_eq!(answer.status, 200, "{answer:?}");
                    ids.push(answer.member("id"));
                }
                ids
            })
        })
        .collect();
    let _idle = Connection::open(port).await.unwrap();
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
    for customer in customers {
        for id in customer.await.unwrap() {
            assert!(stored.contains(&id), "{id} was answered and is not stored");
        }
    }
}

#[tokio::test]
async fn a_second_signal_ends_the_process_at_once() {
    let database = TestDatabase::migrated().await;
    let pod = Pod::on(&database).with("DRAIN_WAIT", 600);
    pod.load().await;
    let api = pod.serve().await;
    api.process.signal("TERM");
    test_support::eventually("the drain wait has begun", async || {
        api.get("/ready").await.status == 503
    })
    .await;

    let output = api.stop().await;

    assert_eq!(output.code, Some(143), "{}", output.stderr);
}

#[tokio::test]
async fn a_pod_that_is_stopped_while_it_starts_ends_with_0() {
    let pod = Pod::at("postgres://nobody@127.0.0.1:1/nothing");
    let api = pod.listen().await;

    let output = api.stop().await;

    assert_eq!(output.code, Some(0), "{}", output.stderr);
}
