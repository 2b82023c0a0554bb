//! The database goes away, comes back, hangs, refuses, or takes an answer with it.

mod buffering_proxy;
mod commit_lost;
mod database_away;
mod deadlines;
mod event_streams;
mod frozen;
mod locked_promotion;
mod order_status;
mod overload;
mod poisoned;
pub(crate) mod proxy;
mod refusals;
mod replicas;
mod slow_commits;
mod snapshots;
mod standby;

pub(crate) use frozen::Frozen;

use order_food::Settings;
use test_support::{OwnCluster, TestDatabase, eventually};

use crate::fixtures;
use crate::harness::{Server, TestApp, settings};

/// A PostgreSQL of its own with the rows of `fixtures`.
pub(crate) async fn own_cluster() -> OwnCluster {
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
pub(crate) async fn on_own_cluster(change: impl FnOnce(&mut Settings)) -> (Server, OwnCluster) {
    let cluster = own_cluster().await;
    let mut settings = settings(cluster.settings());
    change(&mut settings);
    let server = Server::start(settings);
    server.until_ready_is(200).await;
    (server, cluster)
}

pub(crate) async fn order_count(cluster: &OwnCluster) -> i64 {
    let client = cluster.client().await;
    client
        .query_one("SELECT count(*) FROM orders", &[])
        .await
        .unwrap()
        .get(0)
}

/// Holds up every statement that stores orders until it is opened.
struct Gate(TestDatabase);

impl Gate {
    async fn closed(database: &TestDatabase) -> Gate {
        let close = "CREATE TABLE gate AS SELECT false AS open;
            CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    WHILE NOT (SELECT open FROM gate) LOOP PERFORM pg_sleep(0.005); END LOOP;
                    RETURN NULL;
                END $$;
            CREATE TRIGGER gate BEFORE INSERT ON orders FOR EACH STATEMENT EXECUTE FUNCTION wait_at_gate()";
        database.execute(close).await;
        Gate(database.clone())
    }

    async fn open(self) {
        self.0.execute("UPDATE gate SET open = true").await;
    }
}

/// Enough time for anything: what waits at a gate is not refused for it.
fn patient(settings: &mut Settings) {
    settings.order_deadline_s = 60;
    settings.database.statement_timeout_s = 30;
}

/// Waits until so many requests are in progress, besides the one that asks.
async fn until_in_progress(app: &TestApp, requests: usize) {
    eventually("the requests are in progress", async || {
        app.server.metric("http_requests_active").await > requests
    })
    .await;
}
