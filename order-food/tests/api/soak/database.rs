//! PostgreSQL stops, crashes and starts again under a stream of orders.

use test_support::{OwnCluster, Stop, eventually, scaled};

use super::load::Load;
use crate::faults::on_own_cluster;
use crate::fixtures::PIZZA;
use crate::harness::Server;

/// A limited promotion beside those of the fixtures; COMMIT takes a while, so that a fault meets
/// one.
pub(super) async fn prepare(cluster: &OwnCluster, server: &Server) {
    cluster
        .client()
        .await
        .batch_execute(
            "ALTER DATABASE postgres SET commit_delay = 3000; ALTER DATABASE postgres SET commit_siblings = 0;
             INSERT INTO promotions (code, kind, value, max_uses) VALUES ('LIMITED', 'percentage', 10, 1000000);
             NOTIFY dataset_published",
        )
        .await
        .unwrap();
    let order = || server.place_order([(PIZZA, 3), (3, 1)]).coupon("LIMITED").send();
    eventually("the promotion is known", async || order().await.status() == 200).await;
    let client = cluster.client().await;
    client
        .batch_execute("TRUNCATE orders, order_items, promotion_uses")
        .await
        .unwrap();
}

#[tokio::test]
async fn restarts_of_the_database_lose_no_order_and_store_none_that_was_refused() {
    let (server, mut cluster) = on_own_cluster(|settings| settings.order_deadline_s = 3).await;
    prepare(&cluster, &server).await;
    let load = Load::start(server.address(), 8);

    for _ in 0..scaled(10) {
        for how in [Stop::Immediate, Stop::Fast] {
            load.goes_on(100).await;
            cluster.stop(how);
            cluster.start_again();
        }
    }
    load.goes_on(100).await;

    let books = load.close().await;
    books.agree_with(&cluster.client().await).await;
}

#[tokio::test]
async fn a_database_that_is_away_for_a_while_loses_no_order_and_stores_none_that_was_refused() {
    let (server, mut cluster) = on_own_cluster(|settings| settings.order_deadline_s = 1).await;
    prepare(&cluster, &server).await;
    let load = Load::start(server.address(), 8);

    for how in [Stop::Immediate, Stop::Fast].into_iter().cycle().take(scaled(10)) {
        load.goes_on(100).await;
        cluster.stop(how);
        eventually("an order is refused", async || {
            server.place_order([(PIZZA, 1)]).send().await.member("type") == "unavailable"
        })
        .await;
        cluster.start_again();
    }
    load.goes_on(100).await;

    let books = load.close().await;
    books.agree_with(&cluster.client().await).await;
    assert!(
        books.answers.contains_key(&(503, "unavailable".into())),
        "{:?}",
        books.answers
    );
}
