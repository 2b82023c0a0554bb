//! PostgreSQL stops while the server serves.

use std::time::{Duration, Instant};

use process::failure::ExitCode;
use test_support::{Stop, eventually};

use super::{on_own_cluster, order_count};
use crate::client::Request;
use crate::fixtures::{APITEST, PIZZA};
use crate::harness::{Server, settings};

#[tokio::test]
async fn while_the_database_is_away_the_catalogue_is_served_and_orders_are_503() {
    let (server, mut cluster) = on_own_cluster(|settings| {
        settings.ready_grace_s = 4;
        settings.order_deadline_s = 1;
    })
    .await;
    server.place_order([(PIZZA, 1)]).accepted().await;
    let catalogue = server.get("/api/product").await;

    cluster.stop(Stop::Immediate);
    let stopped = Instant::now();

    let refused = server.place_order([(PIZZA, 1)]).send().await;
    let within = stopped.elapsed();
    assert_eq!(refused.error(), (503, "unavailable".into()));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!(within < Duration::from_secs(5), "{within:?}");
    assert_eq!(server.get("/ready").await.status(), 200, "within the grace");
    for (request, status) in [
        (Request::get("/api/order").header("api_key", APITEST), 503),
        (Request::get("/api/order").header("api_key", "wrong"), 403),
        (Request::get("/api/product/7"), 200),
        (Request::get("/health"), 200),
    ] {
        assert_eq!(server.send(&request).await.status(), status, "{request:?}");
    }
    let sold_without_looking = server.place_order([(PIZZA, 1)]).coupon("NOSUCHCODE").send().await;
    assert_eq!(sold_without_looking.error(), (422, "coupon_unknown".into()));
    server.until_ready_is(503).await;
    let reason = server.get("/ready").await.json()["reason"].clone();
    assert_eq!(reason, "the database cannot be reached");
    assert_eq!(server.get("/api/product").await.bytes(), catalogue.bytes());
    assert!(server.get("/metrics").await.text().contains("\ndatabase_up 0\n"));

    cluster.start_again();
    server.until_ready_is(200).await;
    eventually("orders are taken again", async || {
        server.place_order([(PIZZA, 1)]).send().await.status() == 200
    })
    .await;
    assert_eq!(order_count(&cluster).await, 2);
    assert!(server.get("/metrics").await.text().contains("\ndatabase_up 1\n"));
}

#[tokio::test]
async fn connections_that_died_in_the_pool_cost_no_request() {
    let (server, mut cluster) = on_own_cluster(|_| ()).await;
    let fill =
        || futures_util::future::join_all((0..20).map(|_| server.place_order([(PIZZA, 1)]).accepted()));
    fill().await;

    for how in [Stop::Fast, Stop::Immediate] {
        cluster.stop(how);
        cluster.start_again();

        let list = server
            .send(&Request::get("/api/order").header("api_key", APITEST))
            .await;
        assert_eq!(list.status(), 200, "{how:?}");
        fill().await;
    }

    assert_eq!(order_count(&cluster).await, 60);
}

#[tokio::test]
async fn what_needs_no_database_is_answered_while_every_connection_hangs() {
    let (server, cluster) = on_own_cluster(|settings| {
        settings.pool_size = 1;
        settings.pool_wait_ms = 100;
        settings.order_deadline_s = 3;
    })
    .await;
    let admin = cluster.client().await;
    admin
        .batch_execute("BEGIN; LOCK TABLE orders, order_items IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let started = Instant::now();
    let list = Request::get("/api/order").header("api_key", APITEST);
    let hanging = async { tokio::join!(server.place_order([(PIZZA, 1)]).send(), server.send(&list)) };
    let others = async {
        eventually("the only connection is lent", async || {
            let metrics = server.get("/metrics").await.text();
            metrics.contains("database_pool_connections{state=\"used\"} 1")
        })
        .await;
        for target in ["/ready", "/health", "/api/product", "/metrics"] {
            assert_eq!(server.get(target).await.status(), 200, "{target}");
        }
        assert_eq!(server.send(&list).await.error(), (503, "unavailable".into()));
        started.elapsed()
    };

    let ((order, read), others) = tokio::join!(hanging, others);

    let taken = started.elapsed();
    assert_eq!(order.error(), (503, "unavailable".into()));
    assert_eq!(read.error(), (503, "unavailable".into()));
    assert!(
        others < taken && taken < Duration::from_secs(10),
        "{others:?} {taken:?}"
    );
    admin.batch_execute("ROLLBACK").await.unwrap();
    server.place_order([(PIZZA, 1)]).accepted().await;
    assert_eq!(order_count(&cluster).await, 1);
}

#[tokio::test]
async fn a_server_that_never_met_its_database_lives_and_is_not_ready() {
    let mut server = Server::start(settings(test_support::settings(
        "postgres://app@127.0.0.1:1/food",
    )));

    let ready = server.get("/ready").await;

    assert_eq!(ready.status(), 503);
    eventually("the reason is known", async || {
        server.get("/ready").await.json()["reason"] == "the database cannot be reached"
    })
    .await;
    assert_eq!(server.get("/health").await.status(), 200);
    assert_eq!(
        server.get("/api/product").await.error(),
        (503, "unavailable".into())
    );
    server.stop();
    assert!(matches!(server.ended().await, Ok(ExitCode::Done)));
}
