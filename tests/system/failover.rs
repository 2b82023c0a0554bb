//! A primary that goes away under load while its synchronous standby takes over: no acknowledged
//! order is lost.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use test_support::{OwnCluster, Stop, eventually};
use tokio_postgres::Client;

use crate::http::{Connection, Request};
use crate::pod::{Api, Pod};

const CUSTOMERS: usize = 8;
const ORDER: &str = r#"{"items":[{"productId":"9","quantity":1},{"productId":"1","quantity":2}]}"#;

/// Orders come back this soon after the promotion.
const AGAIN: Duration = Duration::from_secs(3);

/// Ids of the orders that were answered with 200, and when.
type Acknowledged = Vec<(String, Instant)>;

/// A primary that waits for its standby with each commit.
async fn pair() -> (OwnCluster, OwnCluster) {
    let mut primary = OwnCluster::start();
    let standby = primary.standby();
    let client = primary.client().await;
    let wait = "ALTER SYSTEM SET synchronous_standby_names = '*'";
    client.batch_execute(wait).await.unwrap();
    client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    let is_synchronous = "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'";
    eventually("the standby is synchronous", async || {
        truth(&client, is_synchronous).await
    })
    .await;
    (primary, standby)
}

/// A pod that knows both, the primary first.
fn pod(primary: &OwnCluster, standby: &OwnCluster) -> Pod {
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", primary.port(), standby.port());
    let alone = format!("127.0.0.1:{}", primary.port());
    Pod::at(&primary.url().replace(&alone, &hosts))
}

async fn truth(client: &Client, query: &str) -> bool {
    client.query_one(query, &[]).await.unwrap().get(0)
}

async fn number(client: &Client, query: &str) -> i64 {
    client.query_one(query, &[]).await.unwrap().get(0)
}

/// Places orders one after the other, every second customer with Idempotency-Keys that are sent
/// again until they are answered.
async fn customer(port: u16, number: usize, stop: Arc<AtomicBool>) -> Acknowledged {
    let mut acknowledged = Vec::new();
    for order in 0.. {
        let mut request = Request::order(ORDER);
        if number.is_multiple_of(2) {
            request = request.header("Idempotency-Key", &format!("customer-{number}-{order}"));
        }
        loop {
            if stop.load(Ordering::Relaxed) {
                return acknowledged;
            }
            let answer = match Connection::open(port).await {
                Ok(mut connection) => connection.send(&request).await.ok(),
                Err(_) => None,
            };
            match answer {
                Some(answer) if answer.status == 200 => {
                    acknowledged.push((answer.member("id"), Instant::now()));
                    break;
                }
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
            if !number.is_multiple_of(2) {
                break;
            }
        }
    }
    acknowledged
}

/// Breaks the primary under load, promotes the standby, and compares answers with rows.
async fn survives(
    mut primary: OwnCluster,
    standby: OwnCluster,
    fault: impl FnOnce(&mut OwnCluster),
) -> OwnCluster {
    let api: Api = pod(&primary, &standby).bring_up().await;
    let stop = Arc::new(AtomicBool::new(false));
    let customers: Vec<_> = (0..CUSTOMERS)
        .map(|number| tokio::spawn(customer(api.port, number, stop.clone())))
        .collect();
    tokio::time::sleep(Duration::from_millis(1500)).await;

    let broken = Instant::now();
    fault(&mut primary);
    tokio::time::sleep(Duration::from_millis(500)).await;
    standby.promote();
    let promoted = Instant::now();
    tokio::time::sleep(AGAIN + Duration::from_secs(1)).await;
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = Vec::new();
    for customer in customers {
        acknowledged.extend(customer.await.unwrap());
    }

    let first = acknowledged
        .iter()
        .map(|(_, at)| *at)
        .filter(|at| *at > promoted)
        .min();
    let outage = first.map(|first| first - promoted);
    assert!(
        outage.is_some_and(|outage| outage < AGAIN),
        "{outage:?} after the promotion"
    );
    let before = acknowledged.iter().filter(|(_, at)| *at < broken).count();
    assert!(
        before >= 20 && acknowledged.len() - before >= 20,
        "{before} of {}",
        acknowledged.len()
    );
    let client = standby.client().await;
    let rows = client.query("SELECT id::text FROM orders", &[]).await.unwrap();
    let stored: HashSet<String> = rows.iter().map(|row| row.get(0)).collect();
    let lost: Vec<&String> = acknowledged
        .iter()
        .map(|(id, _)| id)
        .filter(|id| !stored.contains(*id))
        .collect();
    assert!(
        lost.is_empty(),
        "{} of {} are lost: {lost:?}",
        lost.len(),
        acknowledged.len()
    );
    let ids: Vec<&String> = acknowledged.iter().map(|(id, _)| id).collect();
    let halves =
        "SELECT count(*) FROM orders WHERE CASE WHEN id::text = ANY ($1) THEN 2 <> lines ELSE lines = 0 END";
    let halves = halves.replace(
        "lines",
        "(SELECT count(*) FROM order_items WHERE order_id = orders.id)",
    );
    let halves: i64 = client.query_one(&halves, &[&ids]).await.unwrap().get(0);
    assert_eq!(halves, 0, "half orders");
    let keys = "SELECT count(*) FROM idempotency_keys WHERE order_id NOT IN (SELECT id FROM orders)";
    assert_eq!(number(&client, keys).await, 0, "keys without their order");
    let distinct: HashSet<&String> = acknowledged.iter().map(|(id, _)| id).collect();
    assert_eq!(distinct.len(), acknowledged.len(), "one id for two orders");
    primary
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_is_killed_takes_no_acknowledged_order_along() {
    let (primary, standby) = pair().await;

    survives(primary, standby, |primary| primary.signal("KILL")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_is_frozen_and_listed_first_keeps_no_order_waiting() {
    let (primary, standby) = pair().await;

    let primary = survives(primary, standby, |primary| primary.signal("STOP")).await;

    primary.signal("CONT");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switchover_loses_no_acknowledged_order() {
    let (primary, standby) = pair().await;

    survives(primary, standby, |primary| primary.stop(Stop::Fast)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_waits_no_longer_for_its_standby_is_an_unknown_outcome() {
    let primary = OwnCluster::start();
    let api = Pod::at(&primary.url()).bring_up().await;
    let client = primary.client().await;
    let count = "SELECT count(*) FROM orders";
    let before = number(&client, count).await;
    let wait = "ALTER SYSTEM SET synchronous_standby_names = 'gone'";
    client.batch_execute(wait).await.unwrap();
    client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    let reloaded = "SELECT setting = 'gone' FROM pg_settings WHERE name = 'synchronous_standby_names'";
    eventually("the setting is known", async || truth(&client, reloaded).await).await;
    let cancel = "SELECT count(pg_cancel_backend(pid)) > 0 FROM pg_stat_activity
                  WHERE application_name = 'order-food' AND wait_event = 'SyncRep'";

    let (answer, ()) = tokio::join!(
        api.order(ORDER),
        eventually("a commit waits for the standby", async || truth(&client, cancel)
            .await)
    );

    assert_eq!(
        (answer.status, answer.member("type")),
        (503, "outcome_unknown".into()),
        "{answer:?}"
    );
    assert_eq!(number(&client, count).await, before + 1, "committed here");
    let reset = "ALTER SYSTEM RESET synchronous_standby_names";
    client.batch_execute(reset).await.unwrap();
    client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    eventually("orders are placed again", async || {
        api.order(ORDER).await.status == 200
    })
    .await;
}
