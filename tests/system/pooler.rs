//! The programs behind a real PgBouncer: each works, or ends at once and says why; no lock stays.

use std::time::{Duration, Instant};

use test_support::http::Request;
use test_support::{OwnCluster, Pooler, Pooling};

use crate::pod::{ALL, API, LOAD, MIGRATION, Pod};

/// What finding out and saying so may take.
const AT_ONCE: Duration = Duration::from_secs(15);

const ORDER: &str = r#"{"items":[{"productId":"1","quantity":2}]}"#;

async fn left_over(cluster: &OwnCluster) -> i64 {
    let query = "SELECT (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')
        + (SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction')";
    cluster.client().await.query_one(query, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_pooler_of_transactions_is_refused_by_each_program_and_no_lock_stays() {
    let cluster = OwnCluster::start();
    for size in [1, 20] {
        let pooler = Pooler::start(&cluster.url(), Pooling::Transaction, size);
        let pod = Pod::at(pooler.url());
        let worker = (API, &["worker"][..]);
        for (program, arguments) in ALL.map(|program| (program, &[][..])).into_iter().chain([worker]) {
            let started = Instant::now();
            let output = pod.run(program, arguments).await;
            assert_eq!(output.code, Some(2), "{program}: {}", output.stderr);
            let last = output.stderr.lines().last().unwrap();
            assert!(
                last.contains("connect directly or in session mode"),
                "{program}: {last}"
            );
            assert!(last.contains("DATABASE_DIRECT_URL"), "{program}: {last}");
            assert!(started.elapsed() < AT_ONCE, "{program}: {:?}", started.elapsed());
        }
        assert_eq!(left_over(&cluster).await, 0);
    }
}

#[tokio::test]
async fn a_pooler_of_statements_is_refused_by_each_program_even_beside_a_direct_url() {
    let cluster = OwnCluster::start();
    for size in [1, 20] {
        let pooler = Pooler::start(&cluster.url(), Pooling::Statement, size);
        let pod = Pod::at(pooler.url());
        let beside = pod.clone().with("DATABASE_DIRECT_URL", cluster.url());
        beside.migrate().await;
        let pods = ALL
            .map(|program| (program, &pod))
            .into_iter()
            .chain([(API, &beside)]);
        for (program, pod) in pods {
            let started = Instant::now();
            let output = pod.run(program, &[]).await;
            assert_eq!(output.code, Some(2), "{program}: {}", output.stderr);
            let last = output.stderr.lines().last().unwrap();
            assert!(last.contains("pools statements"), "{program}: {last}");
            assert!(
                last.contains("connect directly or in session mode"),
                "{program}: {last}"
            );
            assert!(started.elapsed() < AT_ONCE, "{program}: {:?}", started.elapsed());
        }
        assert_eq!(left_over(&cluster).await, 0);
    }
}

#[tokio::test]
async fn a_direct_url_beside_the_pooler_brings_a_pod_up_that_reads_through_the_pooler() {
    for size in [1, 20] {
        let cluster = OwnCluster::start();
        let pooler = Pooler::start(&cluster.url(), Pooling::Transaction, size);
        let pod = Pod::at(pooler.url()).with("DATABASE_DIRECT_URL", cluster.url());

        let api = pod.bring_up().await;
        let answers = async |count: usize| {
            for _ in 0..count {
                let placed = api.order(ORDER).await;
                assert_eq!(placed.status(), 200, "{placed:?}");
                let read = api.get_own(&format!("/api/order/{}", placed.member("id"))).await;
                assert_eq!((read.status(), read.text()), (200, placed.text()));
                assert_eq!(api.get_own("/api/order").await.status(), 200);
            }
        };
        tokio::join!(answers(20), answers(20), answers(20), answers(20));

        let jobs = pod.run(API, &["jobs", "list"]).await;
        assert_eq!(jobs.code, Some(0), "{}", jobs.stderr);
        let client = cluster.client().await;
        let row = client
            .query_one("SELECT count(*) FROM orders", &[])
            .await
            .unwrap();
        assert!(row.get::<_, i64>(0) >= 80);
        // For the data of the shop, and for changes of orders.
        let pooled = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'order-food'
            AND query LIKE '%LISTEN%'";
        assert_eq!(client.query_one(pooled, &[]).await.unwrap().get::<_, i64>(0), 2);
        assert_eq!(api.stop().await.code, Some(0));
        drop(client);
        assert_eq!(left_over(&cluster).await, 0);
    }
}

#[tokio::test]
async fn a_pooler_of_sessions_brings_a_pod_up_and_leaves_no_lock() {
    let cluster = OwnCluster::start();
    let pooler = Pooler::start(&cluster.url(), Pooling::Session, 20);
    let pod = Pod::at(pooler.url());

    let api = pod.bring_up().await;
    assert_eq!(api.order(ORDER).await.status(), 200);
    // Again over sessions that were used before.
    pod.migrate().await;
    pod.load().await;

    assert_eq!(api.send(&Request::get("/ready")).await.status(), 200);
    assert_eq!(api.stop().await.code, Some(0));
    test_support::eventually("no lock is left", async || left_over(&cluster).await == 0).await;
}

#[tokio::test]
async fn a_pooler_of_one_session_is_refused_by_each_program() {
    let cluster = OwnCluster::start();
    for program in [MIGRATION, LOAD, API] {
        let pooler = Pooler::start(&cluster.url(), Pooling::Session, 1);
        let started = Instant::now();
        let output = Pod::at(pooler.url()).run(program, &[]).await;
        assert_eq!(output.code, Some(2), "{program}: {}", output.stderr);
        let last = output.stderr.lines().last().unwrap();
        assert!(last.contains("no second session within 2 s"), "{program}: {last}");
        assert!(started.elapsed() < AT_ONCE, "{program}: {:?}", started.elapsed());
        drop(pooler);
    }
    assert_eq!(left_over(&cluster).await, 0);
}
