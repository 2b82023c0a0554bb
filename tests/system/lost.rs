//! The database goes away while the API serves, and comes back.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use test_support::http::Answer;
use test_support::{OwnCluster, Stop};

use crate::customers::Customers;
use crate::data::Data;
use crate::pod::{Api, Pod, order_request};

const ORDER: &str = r#"{"items":[{"productId":"9","quantity":1}]}"#;

async fn order_succeeds_again(api: &Api) {
    test_support::eventually("orders are taken again", async || {
        api.order(ORDER).await.status() == 200
    })
    .await;
}

#[tokio::test]
async fn without_its_database_the_api_serves_the_catalogue_and_refuses_orders_in_time() {
    let mut cluster = OwnCluster::start();
    let pod = Pod::at(&cluster.url())
        .with("ORDER_DEADLINE", 1)
        .with("READY_GRACE", 2);
    let api = pod.bring_up().await;
    let before = api.get("/api/product").await;
    let stored = cluster.client().await;
    let count = "SELECT count(*) FROM orders";
    let orders: i64 = stored.query_one(count, &[]).await.unwrap().get(0);
    cluster.stop(Stop::Immediate);

    let started = Instant::now();
    let refused = api.order(ORDER).await;
    let read = api.get_own("/api/order").await;
    let took = started.elapsed();
    let catalogue = api.get("/api/product").await;

    assert_eq!((refused.status(), &*refused.member("type")), (503, "unavailable"));
    assert!(refused.header("retry-after").is_some());
    assert_eq!(read.status(), 503);
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!((catalogue.status(), catalogue.text()), (200, before.text()));
    test_support::eventually("the probe says no after the grace", async || {
        let ready = api.get("/ready").await;
        ready.status() == 503 && ready.member("reason") == "the database cannot be reached"
    })
    .await;
    assert_eq!(api.get("/health").await.status(), 200);

    cluster.start_again();

    api.becomes_ready().await;
    let now: i64 = cluster.client().await.query_one(count, &[]).await.unwrap().get(0);
    assert_eq!(now, orders, "a refused order is not stored");
    order_succeeds_again(&api).await;
}

#[tokio::test]
async fn a_crash_of_the_database_under_orders_loses_none_that_was_answered_200() {
    let mut cluster = OwnCluster::start();
    let pod = Pod::at(&cluster.url());
    let api = pod.bring_up().await;
    let customers = Customers::start(4, api.port, |_, _| order_request(ORDER));
    let client = cluster.client().await;
    test_support::eventually("orders are stored", async || {
        let stored: i64 = client
            .query_one("SELECT count(*) FROM orders", &[])
            .await
            .unwrap()
            .get(0);
        stored >= 30
    })
    .await;

    cluster.stop(Stop::Immediate);
    // Down for longer than the deadline of an order, so that everybody notices.
    let down = Instant::now();
    test_support::eventually("an order is refused", async || {
        api.order(ORDER).await.status() == 503
    })
    .await;
    cluster.start_again();
    order_succeeds_again(&api).await;
    api.stop().await;

    let answers = customers
        .finish()
        .await
        .into_iter()
        .flat_map(|customer| customer.answers);
    let answers: Vec<_> = answers.collect();
    let is_expected = |answer: &Answer| [200, 503].contains(&answer.status());
    assert!(answers.iter().all(is_expected), "{answers:?}");
    let answered = answers.iter().filter(|answer| answer.status() == 200);
    let answered: HashSet<String> = answered.map(|answer| answer.member("id")).collect();
    assert!(down.elapsed() < Duration::from_secs(60));
    let rows = cluster
        .client()
        .await
        .query(
            "SELECT id::text FROM orders JOIN order_items ON order_id = id WHERE total = 11.49 AND quantity = 1",
            &[],
        )
        .await
        .unwrap();
    let stored: HashSet<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(stored.len(), rows.len(), "one line for each");
    assert!(answered.is_subset(&stored));
}

#[tokio::test]
async fn a_password_that_is_rotated_needs_no_restart() {
    let (cluster, folder) = (OwnCluster::start(), Data::scratch());
    let file = folder.write("password", cluster.password());
    let pod = Pod::at("")
        .with("DB_HOST", "127.0.0.1")
        .with("DB_PORT", cluster.port())
        .with("DB_USER", "postgres")
        .with("DB_NAME", "postgres")
        .with("DB_PASSWORD_FILE", file);
    let api = pod.bring_up().await;
    assert_eq!(api.order(ORDER).await.status(), 200);

    folder.write("password", "rotated\n");
    cluster
        .client()
        .await
        .batch_execute(
            "ALTER ROLE postgres PASSWORD 'rotated';
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'order-food'",
        )
        .await
        .unwrap();

    order_succeeds_again(&api).await;
    assert_eq!(api.get("/ready").await.status(), 200);
}
