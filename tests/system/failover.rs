//! A primary that goes away under load while its synchronous standby takes over: no acknowledged
//! order is lost.

use std::time::{Duration, Instant};

use test_support::{OwnCluster, Stop, eventually};
use tokio_postgres::Client;

use crate::acknowledged::{Crowd, ORDER, are_all_stored};
use crate::pod::{Api, Pod};

const CUSTOMERS: usize = 8;

/// Orders come back this soon after the promotion.
const AGAIN: Duration = Duration::from_secs(3);

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

/// Breaks the primary under load, promotes the standby, and compares answers with rows.
async fn survives(
    mut primary: OwnCluster,
    standby: OwnCluster,
    fault: impl FnOnce(&mut OwnCluster),
) -> OwnCluster {
    let api: Api = pod(&primary, &standby).bring_up().await;
    let crowd = Crowd::start(CUSTOMERS, api.port, "failover");
    tokio::time::sleep(Duration::from_millis(1500)).await;

    let broken = Instant::now();
    fault(&mut primary);
    tokio::time::sleep(Duration::from_millis(500)).await;
    standby.promote();
    let promoted = Instant::now();
    eventually("orders go on", async || crowd.served_after(promoted) >= 20).await;
    let acknowledged = crowd.stop().await.acknowledged;

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
    assert!(before >= 20, "{before} of {}", acknowledged.len());
    let client = standby.client().await;
    let ids: Vec<&String> = acknowledged.iter().map(|(id, _)| id).collect();
    are_all_stored(&client, &ids).await;
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
        (answer.status(), answer.member("type")),
        (503, "outcome_unknown".into()),
        "{answer:?}"
    );
    assert_eq!(number(&client, count).await, before + 1, "committed here");
    let reset = "ALTER SYSTEM RESET synchronous_standby_names";
    client.batch_execute(reset).await.unwrap();
    client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    eventually("orders are placed again", async || {
        api.order(ORDER).await.status() == 200
    })
    .await;
}
