//! Commits that take long: orders go over more connections, within the settings.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use test_support::eventually;
use tokio::time::sleep;

use crate::fixtures::PIZZA;
use crate::harness::TestApp;

/// Each batch waits as if for a standby far away.
const SLOW: &str = "
    CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.03); RETURN NULL; END $$;
    CREATE TRIGGER slow AFTER INSERT ON orders FOR EACH STATEMENT EXECUTE FUNCTION wait()";
const FAST: &str = "DROP TRIGGER slow ON orders";
const SESSIONS: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'order-food' AND query LIKE 'WITH c%'";

const CLIENTS: usize = 48;
const ORDERS: usize = 12;

async fn connections(app: &TestApp, orders: &str) -> usize {
    let name = format!("order_writer_connections{{orders=\"{orders}\"}}");
    app.server.metric(&name).await
}

/// Places orders with keys, each second one again; returns how many were placed.
async fn load(app: &TestApp, round: usize) -> usize {
    let client = async |client: usize| {
        for number in 0..ORDERS {
            let order = || {
                let order = app.place_order([(PIZZA, 1), (1, 1)]);
                order.idempotency_key(&format!("{round}-{client}-{number}"))
            };
            let placed = order().accepted().await;
            if number % 2 == 0 {
                assert_eq!(order().accepted().await, placed);
            }
        }
    };
    join_all((0..CLIENTS).map(client)).await;
    CLIENTS * ORDERS
}

#[tokio::test]
async fn orders_go_over_more_connections_while_commits_take_long() {
    let app = TestApp::with(|settings| settings.writer_connections_max = 3).await;
    app.promotion("LIMITED").max_uses(1000).insert().await;
    app.place_order([(PIZZA, 1)]).coupon("LIMITED").accepted().await;
    app.database.execute(SLOW).await;

    let placed = load(&app, 1).await;

    assert_eq!(connections(&app, "unlimited").await, 3);
    assert_eq!(
        connections(&app, "limited").await,
        1,
        "they would wait for each other"
    );
    let sessions: usize = app.database.value(SESSIONS).await.parse().unwrap();
    assert_eq!(sessions, 3 + 1);
    assert_eq!(app.order_count().await, 1 + placed);
    let keys = "SELECT count(*) FROM idempotency_keys WHERE order_id IN (SELECT id FROM orders)";
    assert_eq!(app.database.value(keys).await, placed.to_string());

    // One of them is lost, and the others go on.
    let end = SESSIONS.replace("count(*)", "pg_terminate_backend(min(pid))");
    app.database.value(&end).await;
    let again = load(&app, 2).await;
    assert_eq!(app.order_count().await, 1 + placed + again);

    app.database.execute(FAST).await;
    let fast = load(&app, 3).await;
    assert_eq!(app.order_count().await, 1 + placed + again + fast);
}

#[tokio::test]
async fn one_connection_is_the_most_where_the_settings_say_so() {
    let app = TestApp::with(|settings| settings.writer_connections_max = 1).await;
    app.database.execute(SLOW).await;

    let placed = load(&app, 1).await;

    assert_eq!(connections(&app, "unlimited").await, 1);
    assert_eq!(app.order_count().await, placed);
}

#[tokio::test]
async fn connections_that_are_not_used_any_more_are_closed_and_opened_again_when_they_are() {
    let app = TestApp::with(|settings| {
        settings.writer_connections_min = 2;
        settings.writer_connections_max = 4;
    })
    .await;
    app.database.execute(SLOW).await;
    // Orders without a key or coupon are stored by another statement.
    let storing = SESSIONS.replace("LIKE 'WITH c%'", "~ '^WITH (c|placed)'");
    let sessions = async || app.database.value(&storing).await.parse::<usize>().unwrap();

    let mut placed = load(&app, 1).await;
    let loaded = Instant::now();
    assert_eq!((connections(&app, "unlimited").await, sessions().await), (4, 4));

    // One order after the other needs one connection. Those beyond the least go after a minute.
    while connections(&app, "unlimited").await == 4 {
        assert!(loaded.elapsed() < Duration::from_secs(80), "still open");
        app.place_order([(PIZZA, 1)]).accepted().await;
        placed += 1;
        sleep(Duration::from_millis(200)).await;
    }
    assert!(
        loaded.elapsed() > Duration::from_secs(55),
        "{:?}",
        loaded.elapsed()
    );
    while connections(&app, "unlimited").await > 2 {
        assert!(loaded.elapsed() < Duration::from_secs(80), "still open");
        sleep(Duration::from_millis(200)).await;
    }
    eventually("the database has lost the sessions", async || {
        sessions().await == 2
    })
    .await;
    // Nothing below the least.
    sleep(Duration::from_secs(2)).await;
    assert_eq!(connections(&app, "unlimited").await, 2);

    placed += load(&app, 2).await;
    assert_eq!((connections(&app, "unlimited").await, sessions().await), (4, 4));
    assert_eq!(app.order_count().await, placed);
}
