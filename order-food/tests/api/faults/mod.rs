//! The database goes away, comes back, hangs, refuses, or takes an answer with it.

mod commit_lost;
mod database_away;
mod frozen;
mod locked_promotion;
mod proxy;
mod refusals;

use order_food::Settings;
use test_support::OwnCluster;

use crate::fixtures;
use crate::harness::{Server, settings};

/// A PostgreSQL of its own with the rows of `fixtures`.
async fn own_cluster() -> OwnCluster {
    let cluster = OwnCluster::start();
    let database = database::Database::new(&cluster.settings(), "test").unwrap();
    database_migration::up(&database).await.unwrap();
    cluster
        .client()
        .await
        .batch_execute(&fixtures::rows())
        .await
        .unwrap();
    cluster
}

/// A ready server over a PostgreSQL of its own, with other settings.
async fn on_own_cluster(change: impl FnOnce(&mut Settings)) -> (Server, OwnCluster) {
    let cluster = own_cluster().await;
    let mut settings = settings(cluster.settings());
    change(&mut settings);
    let server = Server::start(settings);
    server.until_ready_is(200).await;
    (server, cluster)
}

async fn order_count(cluster: &OwnCluster) -> i64 {
    let client = cluster.client().await;
    client
        .query_one("SELECT count(*) FROM orders", &[])
        .await
        .unwrap()
        .get(0)
}
