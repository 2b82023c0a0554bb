//! The writer's sessions are ended, or stop, in the middle of their work.

use std::cell::Cell;

use test_support::{eventually, scaled};

use super::database::prepare;
use super::load::Load;
use crate::faults::{Frozen, on_own_cluster};

#[tokio::test]
async fn writers_sessions_that_are_ended_again_and_again_cost_no_order() {
    let (server, cluster) = on_own_cluster(|_| ()).await;
    prepare(&cluster, &server).await;
    let client = cluster.client().await;
    let load = Load::start(server.address(), 8);
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE application_name = 'order-food' AND state = 'active' AND query LIKE '%INSERT INTO orders %'";

    let ended = Cell::new(0);
    for _ in 0..scaled(200) {
        load.goes_on(3).await;
        eventually("a session that stores orders is ended", async || {
            let sessions: i64 = client.query_one(end, &[]).await.unwrap().get(0);
            ended.set(ended.get() + sessions);
            sessions > 0
        })
        .await;
    }
    load.goes_on(50).await;

    let books = load.close().await;
    println!("{} sessions ended", ended.get());
    books.agree_with(&client).await;
}

#[tokio::test]
async fn writers_sessions_that_stop_and_go_on_later_store_no_order_twice_and_none_that_was_refused() {
    let (server, cluster) = on_own_cluster(|settings| settings.order_deadline_s = 3).await;
    prepare(&cluster, &server).await;
    let load = Load::start(server.address(), 8);
    let writers = "SELECT pid::text FROM pg_stat_activity
                   WHERE application_name = 'order-food' AND state = 'active' AND query LIKE '%INSERT INTO orders %'";

    for _ in 0..scaled(10) {
        load.goes_on(20).await;
        let frozen = Frozen::those(&cluster, writers).await;
        // One that was stopped in the middle of COMMIT holds up every other session: then there are
        // answers, but no orders.
        load.is_answered(8).await;
        drop(frozen);
    }

    let books = load.close().await;
    books.agree_with(&cluster.client().await).await;
}
