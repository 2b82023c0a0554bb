//! Reading orders back: one, and page by page.

use std::time::Duration;

use database::pool::Pool;
use diesel::QueryableByName;
use diesel::sql_types::Text;
use serde_json::Value;

use crate::client::next_page;
use crate::fixtures::{APITEST, OTHER, PIZZA, READER, STAFF, key_id};
use crate::harness::TestApp;

#[tokio::test]
async fn orders_come_newest_first_and_each_key_sees_its_own() {
    let app = TestApp::start().await;
    let mut mine = Vec::new();
    let mut all = Vec::new();
    for (index, key) in [APITEST, OTHER, APITEST, STAFF, APITEST].into_iter().enumerate() {
        let order = app
            .place_order([(PIZZA, 1 + i64::try_from(index).unwrap())])
            .key(key)
            .accepted()
            .await;
        all.insert(0, order.clone());
        if key == APITEST {
            mine.insert(0, order);
        }
    }

    assert_eq!(app.get_as(APITEST, "/api/order").await.json(), Value::Array(mine));
    assert_eq!(app.get_as(STAFF, "/api/order").await.json(), Value::Array(all));
    assert_eq!(
        app.get_as(OTHER, "/api/order").await.json()[0]["items"][0]["quantity"],
        2
    );
    assert_eq!(app.get_as(READER, "/api/order").await.text(), "[]");
}

#[tokio::test]
async fn a_foreign_order_is_as_absent_as_one_that_never_was() {
    let app = TestApp::start().await;
    let order = app.place_order([(PIZZA, 1)]).key(OTHER).accepted().await;
    let path = format!("/api/order/{}", order["id"].as_str().unwrap());

    let foreign = app.get_as(APITEST, &path).await;
    let never = app
        .get_as(APITEST, "/api/order/0191b3c4-0000-7000-8000-000000000000")
        .await;

    assert_eq!(foreign.error(), (404, "not_found".into()));
    assert_eq!(never.error(), (404, "not_found".into()));
    assert_eq!(foreign.json()["message"], never.json()["message"]);
    assert_eq!(app.get_as(STAFF, &path).await.json(), order);
}

#[tokio::test]
async fn an_order_is_read_with_its_lines_in_order() {
    let app = TestApp::start().await;
    let lines = [(10, 1), (2, 1), (9, 3), (1, 2), (4, 7), (3, 1)];
    let placed = app.place_order(lines).coupon("BULKCODE").send().await;
    let path = format!("/api/order/{}", placed.member("id"));

    for _ in 0..3 {
        assert_eq!(app.get_as(APITEST, &path).await.text(), placed.text());
    }
    assert_eq!(
        app.get_as(APITEST, "/api/order").await.text(),
        format!("[{}]", placed.text())
    );
}

#[tokio::test]
async fn pages_joined_are_all_orders() {
    let app = TestApp::start().await;
    let mut all = Vec::new();
    for _ in 0..7 {
        let order = app.place_order([(PIZZA, 1)]).accepted().await;
        all.insert(0, order["id"].clone());
        app.place_order([(PIZZA, 1)]).key(OTHER).accepted().await;
    }

    for limit in [1, 2, 3, 6, 7, 8, 100] {
        let mut next = Some(format!("/api/order?limit={limit}"));
        let mut ids = Vec::new();
        while let Some(target) = next {
            let answer = app.get_as(APITEST, &target).await;
            let page = answer.json().as_array().unwrap().clone();
            assert!((1..=limit).contains(&page.len()), "{target}");
            ids.extend(page.into_iter().map(|order| order["id"].clone()));
            next = next_page(&answer);
        }
        assert_eq!(ids, all, "limit {limit}");
    }
}

#[tokio::test]
async fn orders_that_come_in_between_do_not_shift_the_pages() {
    let app = TestApp::start().await;
    for quantity in 1..=4 {
        app.place_order([(PIZZA, quantity)]).accepted().await;
    }
    let first = app.get_as(APITEST, "/api/order?limit=2").await;

    app.place_order([(PIZZA, 9)]).accepted().await;
    let second = app.get_as(APITEST, &next_page(&first).unwrap()).await;

    let quantities = |answer: &Value| -> Vec<i64> {
        let orders = answer.as_array().unwrap();
        orders
            .iter()
            .map(|order| order["items"][0]["quantity"].as_i64().unwrap())
            .collect()
    };
    assert_eq!(quantities(&first.json()), [4, 3]);
    assert_eq!(quantities(&second.json()), [2, 1]);
    assert_eq!(next_page(&second), None);
}

#[tokio::test]
async fn twenty_orders_are_a_page_by_default() {
    let app = TestApp::start().await;
    futures_util::future::join_all((0..21).map(|_| app.place_order([(PIZZA, 1)]).accepted())).await;

    let first = app.get_as(APITEST, "/api/order").await;
    let second = app.get_as(APITEST, &next_page(&first).unwrap()).await;

    assert_eq!(first.json().as_array().unwrap().len(), 20);
    assert_eq!(second.json().as_array().unwrap().len(), 1);
    assert_eq!(next_page(&second), None);
}

#[tokio::test]
async fn parameters_that_cannot_be_used_are_400() {
    let app = TestApp::start().await;
    app.place_order([(PIZZA, 1)]).accepted().await;

    for query in [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=x",
        "limit=1&limit=1",
        "cursor=garbage",
        "cursor=1",
        "cursor=0191b3c400007000800000000000000000",
        "cursor=0191b3c4-0000-7000-8000-00000000000g",
        "cursor=%00",
        "cursor=%FF",
        "cursor=' OR 1=1",
    ] {
        let answer = app
            .get_as(APITEST, &format!("/api/order?{}", query.replace(' ', "+")))
            .await;
        assert_eq!(answer.error(), (400, "invalid_parameter".into()), "{query}");
    }
}

#[tokio::test]
async fn what_is_no_uuid_is_400() {
    let app = TestApp::start().await;

    for id in [
        "1",
        "abc",
        "0191b3c400007000800000000000000000",
        "0191b3c4-0000-7000-8000-00000000000g",
        "%7B0191b3c4-0000-7000-8000-000000000000%7D",
        "urn:uuid:0191b3c4-0000-7000-8000-000000000000",
        "0191b3c4-0000-7000-8000-000000000000%00",
        "%FF",
        "%00",
    ] {
        let answer = app.get_as(APITEST, &format!("/api/order/{id}")).await;
        assert_eq!(answer.error(), (400, "invalid_order_id".into()), "{id}");
    }
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    #[diesel(column_name = "QUERY PLAN")]
    text: String,
}

#[derive(QueryableByName)]
struct Mode {
    #[diesel(sql_type = Text)]
    mode: String,
}

/// A generic plan of a page reads past the orders of all other keys, and locks every partition.
#[tokio::test]
async fn reads_over_the_pool_plan_for_the_ids_at_hand_and_read_one_partition() {
    use diesel_async::{RunQueryDsl as _, SimpleAsyncConnection as _};

    let app = TestApp::start().await;
    let placed = app.place_order([(PIZZA, 1)]).accepted().await;
    let id = placed["id"].as_str().unwrap().to_owned();
    let pool = Pool::new(&app.database.database(), 1, Duration::from_secs(5));

    let (mode, plan) = pool
        .read(Duration::from_secs(5), async |connection| {
            let mode: Mode = diesel::sql_query("SELECT current_setting('plan_cache_mode') AS mode")
                .get_result(connection)
                .await?;
            connection
                .batch_execute("PREPARE by_id (uuid) AS SELECT total FROM orders WHERE id = $1")
                .await?;
            let read = format!("EXECUTE by_id ('{id}')");
            for _ in 0..10 {
                connection.batch_execute(&read).await?;
            }
            let explain = format!("EXPLAIN (ANALYZE) {read}");
            let plan: Vec<Line> = diesel::sql_query(explain).load(connection).await?;
            connection.batch_execute("DEALLOCATE by_id").await?;
            Ok((mode.mode, plan))
        })
        .await
        .unwrap();

    assert_eq!(mode, "auto");
    let scans: Vec<&str> = plan
        .iter()
        .map(|line| line.text.as_str())
        .filter(|line| line.contains(" on orders_") && !line.contains("never executed"))
        .collect();
    assert_eq!(scans.len(), 1, "{scans:?}");
    assert!(scans[0].contains("Index Scan"), "{scans:?}");
}

#[tokio::test]
async fn a_page_costs_the_same_however_many_orders_there_are() {
    let app = TestApp::start().await;
    let (many, few) = (key_id(APITEST), key_id(OTHER));
    app.database
        .execute(&format!(
            "INSERT INTO orders (id, api_key_id, subtotal, discount, total)
             SELECT ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
                 CASE WHEN n % 2 = 0 THEN '{many}' ELSE gen_random_uuid() END, 1, 0, 1
             FROM generate_series(1, 20000) AS n;
             INSERT INTO order_items SELECT id, 1, 1, 'x', 'y', 1, 1 FROM orders"
        ))
        .await;
    // As autovacuum does: empty partitions are not analyzed.
    let filled = "SELECT DISTINCT tableoid::regclass FROM orders UNION SELECT DISTINCT tableoid::regclass FROM order_items";
    let filled = app.database.rows(filled).await.concat().join(", ");
    app.database.execute(&format!("ANALYZE {filled}")).await;
    app.place_order([(PIZZA, 1)]).accepted().await;

    for key in [APITEST, STAFF] {
        let answer = app.get_as(key, "/api/order?limit=1").await;
        assert_eq!(answer.json()[0]["items"][0]["productId"], "7", "{key}");
    }

    let newest = "'ffffffff-ffff-ffff-ffff-ffffffffffff'";
    let of = |key| {
        format!(
            "AND (api_key_id, id) < ((SELECT '{key}'::uuid), (SELECT {newest}::uuid))
             AND api_key_id >= (SELECT '{key}'::uuid)"
        )
    };
    for (condition, order) in [
        (String::new(), "id DESC"),
        (of(many), "api_key_id DESC, id DESC"),
        (of(few), "api_key_id DESC, id DESC"),
    ] {
        let statement = format!(
            "EXPLAIN (ANALYZE, TIMING OFF) SELECT id FROM orders WHERE id < {newest} {condition}
             ORDER BY {order} LIMIT 21"
        );
        let plan = app.database.rows(&statement).await.concat().join("\n");
        let read = plan
            .split("(actual rows=")
            .skip(1)
            .map(|node| node.split([' ', '.']).next().unwrap().parse::<u32>().unwrap());
        assert!(
            plan.contains("Index") && !plan.contains("Seq Scan") && !plan.contains("Rows Removed"),
            "{plan}"
        );
        assert!(read.max().unwrap() <= 22, "{plan}");
    }
}
