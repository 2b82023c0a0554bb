//! The database answers, and says no.

use std::time::{Duration, Instant};

use serde_json::Value;
use test_support::eventually;

use super::own_cluster;
use crate::client::Request;
use crate::fixtures::{self, APITEST, PIZZA};
use crate::harness::TestApp;
use crate::running::Running;

/// Far below the deadline of 5 s.
const AT_ONCE: Duration = Duration::from_secs(2);

const SESSIONS: &str = "SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'order-food' ORDER BY pid";

#[tokio::test]
async fn a_table_that_is_missing_costs_neither_the_deadline_nor_connections() {
    let app = TestApp::start().await;
    app.place_order([(PIZZA, 1)]).accepted().await;
    let sessions = app.database.rows(SESSIONS).await;

    app.database
        .execute("ALTER TABLE order_items RENAME TO elsewhere")
        .await;
    for _ in 0..10 {
        let started = Instant::now();
        let answer = app.place_order([(PIZZA, 1)]).send().await;
        let taken = started.elapsed();
        assert_eq!(answer.error(), (503, "unavailable".into()));
        assert!(taken < AT_ONCE, "{taken:?}");
    }

    assert_eq!(app.database.rows(SESSIONS).await, sessions);
    assert_eq!(app.order_count().await, 1);
    app.database
        .execute("ALTER TABLE elsewhere RENAME TO order_items")
        .await;
    app.place_order([(PIZZA, 1)]).accepted().await;
    assert_eq!(app.order_count().await, 2);
}

/// As after four months in which nobody made partitions.
#[tokio::test]
async fn an_order_without_a_partition_is_503_with_a_sentence_in_the_log_until_one_is_made() {
    let database = fixtures::database().await;
    let program = Running::start(database.url(), &[]).await;
    let order = |key: Option<&str>| {
        let order = Request::new("POST", "/api/order")
            .header("api_key", APITEST)
            .json(r#"{"items":[{"productId":"7","quantity":1}]}"#);
        match key {
            Some(key) => order.header("Idempotency-Key", key),
            None => order,
        }
    };
    assert_eq!(program.send(&order(None)).await.status(), 200);
    let oldest = "SELECT inhrelid::regclass, pg_get_expr(relpartbound, oid) FROM pg_inherits JOIN pg_class ON oid = inhrelid
        WHERE inhparent = 'orders'::regclass AND pg_get_expr(relpartbound, oid) LIKE '%MINVALUE%'";
    let found = database.rows(oldest).await.concat();
    let (oldest, bounds) = (&found[0], &found[1]);
    database
        .execute(&format!("ALTER TABLE orders DETACH PARTITION {oldest}"))
        .await;

    for key in [None, Some("again")] {
        let started = Instant::now();
        let answer = program.send(&order(key)).await;
        let taken = started.elapsed();
        assert_eq!(answer.error(), (503, "unavailable".into()));
        assert!(taken < AT_ONCE, "{taken:?}");
    }
    let said = "no partition takes orders with ids of this time: run database-migration partitions";
    eventually("the log says it", async || {
        program.lines().iter().any(|line| line.to_string().contains(said))
    })
    .await;

    database
        .execute(&format!("ALTER TABLE orders ATTACH PARTITION {oldest} {bounds}"))
        .await;
    assert_eq!(program.send(&order(Some("again"))).await.status(), 200);
    assert_eq!(database.value("SELECT count(*) FROM orders").await, "2");
    let lines = "SELECT count(*) FROM order_items JOIN orders ON id = order_id";
    assert_eq!(database.value(lines).await, "2");
}

#[tokio::test]
async fn a_database_that_is_read_only_refuses_orders_at_once_until_it_is_writable_again() {
    let app = TestApp::start().await;
    app.place_order([(PIZZA, 1)]).accepted().await;
    let name = app.database.name();
    app.database
        .execute(&format!(
            "ALTER DATABASE {name} SET default_transaction_read_only = on"
        ))
        .await;
    app.database
        .execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await;

    // What is sent before the end of the session is noticed stays in doubt.
    eventually("the end of the session is noticed", async || {
        app.place_order([(PIZZA, 1)]).send().await.member("type") == "unavailable"
    })
    .await;
    for _ in 0..3 {
        let started = Instant::now();
        let answer = app.place_order([(PIZZA, 1)]).send().await;
        let taken = started.elapsed();
        assert_eq!(answer.error(), (503, "unavailable".into()));
        assert!(taken < AT_ONCE, "{taken:?}");
        assert_eq!(app.get_as(APITEST, "/api/order").await.status(), 200);
    }
    assert_eq!(app.order_count().await, 1);

    app.database
        .execute(&format!(
            "BEGIN READ WRITE; ALTER DATABASE {name} RESET default_transaction_read_only; COMMIT"
        ))
        .await;
    // The sessions from before stay read-only for as long as they live.
    let mut orders = 0;
    eventually("orders are taken again", async || {
        let taken = app.place_order([(PIZZA, 1)]).send().await.status() == 200;
        orders += usize::from(taken);
        taken
    })
    .await;
    assert_eq!(app.order_count().await, 1 + orders);
}

#[tokio::test]
async fn what_the_role_may_not_do_is_in_the_log_with_the_id_of_the_request() {
    let cluster = own_cluster().await;
    let admin = cluster.client().await;
    admin
        .batch_execute(
            "CREATE ROLE stranger LOGIN PASSWORD 's3cret-word';
             GRANT SELECT ON ALL TABLES IN SCHEMA public TO stranger;
             REVOKE SELECT ON orders FROM stranger",
        )
        .await
        .unwrap();
    let url = format!(
        "postgres://stranger:s3cret-word@127.0.0.1:{}/postgres",
        cluster.port()
    );
    let program = Running::start(&url, &[("OTEL_TRACES_SAMPLER", "always_off")]).await;
    let order = Request::new("POST", "/api/order").json(r#"{"items":[{"productId":"7","quantity":1}]}"#);
    let list = Request::get("/api/order");

    for (request, id, level, said) in [
        (
            order,
            "the-order-of-this-test",
            "ERROR",
            "an order could not be stored",
        ),
        (
            list,
            "the-list-of-this-test",
            "ERROR",
            "the database does not answer a request",
        ),
    ] {
        let request = request.header("api_key", APITEST).header("X-Request-ID", id);
        let answer = program.send(&request).await;
        assert_eq!(answer.error(), (503, "unavailable".into()));
        assert!(!answer.text().contains("permission"), "{}", answer.text());

        let lines = program.lines_with("request_id", id).await;
        let [error, access] = &lines[..] else {
            panic!("{lines:?}")
        };
        assert_eq!(
            (&error["level"], &error["message"]),
            (&Value::from(level), &Value::from(said))
        );
        let cause = error["error"].as_str().unwrap();
        assert!(cause.contains("permission denied for table order"), "{cause}");
        assert_eq!(
            (&access["target"], &access["status"]),
            (&Value::from("access"), &Value::from(503))
        );
        assert_eq!(access.get("trace_id"), None, "not sampled");
    }

    let stored: i64 = admin
        .query_one("SELECT count(*) FROM orders", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(stored, 0);
    let output = program.stop().await;
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(!output.stderr.contains("s3cret-word"), "{output:?}");
}
