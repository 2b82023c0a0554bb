//! GET /api/order?status=…&expand=status: orders by their states, and with them.

use std::collections::BTreeSet;

use serde_json::Value;
use test_support::TestDatabase;

use crate::client::next_page;
use crate::events::{Events, change_silently};
use crate::fixtures::{APITEST, OTHER, PIZZA, STAFF, key_id};
use crate::harness::TestApp;
use crate::order_status::placed;

/// Every page from `target` on.
async fn all(app: &TestApp, key: &str, target: &str) -> Vec<Value> {
    let mut orders = Vec::new();
    let mut next = Some(target.to_owned());
    while let Some(target) = next {
        let answer = app.get_as(key, &target).await;
        assert_eq!(answer.status(), 200, "{target}: {}", answer.text());
        orders.extend(answer.json().as_array().unwrap().clone());
        next = next_page(&answer);
    }
    orders
}

async fn ids(app: &TestApp, key: &str, query: &str) -> Vec<String> {
    let orders = all(app, key, &format!("/api/order?{query}")).await;
    orders
        .iter()
        .map(|order| order["id"].as_str().unwrap().to_owned())
        .collect()
}

/// An order as it would have been placed `age` (an interval of SQL) ago; its id.
async fn placed_ago(database: &TestDatabase, age: &str) -> String {
    let insert = format!(
        "INSERT INTO orders (id, created_at, api_key_id, subtotal, discount, total)
         SELECT (lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid,
                at, '{}', 13.99, 0, 13.99 FROM (SELECT now() - interval '{age}' AS at) AS time
         RETURNING id",
        key_id(APITEST)
    );
    database.value(&insert).await
}

#[tokio::test]
async fn each_order_stands_under_its_state_only_newest_first_on_pages_of_any_size() {
    let app = TestApp::start().await;
    let states = [
        "placed",
        "accepted",
        "preparing",
        "ready",
        "picked_up",
        "rejected",
        "cancelled",
    ];
    let mut orders: Vec<(String, &str)> = Vec::new();
    for number in 0..21 {
        let (order, status) = (placed(&app).await, states[number * 5 % 7]);
        if status != "placed" {
            change_silently(&app.database, &order, status).await;
        }
        orders.insert(0, (order, status));
    }
    let foreign = app.place_order([(PIZZA, 1)]).key(OTHER).accepted().await;

    let queries = states
        .map(str::to_owned)
        .into_iter()
        .chain(
            [
                "placed,ready",
                "ready,placed,ready",
                "accepted,cancelled,picked_up",
            ]
            .map(str::to_owned),
        )
        .chain([states.join(",")]);
    for query in queries {
        let asked: BTreeSet<&str> = query.split(',').collect();
        let expected: Vec<&String> = orders
            .iter()
            .filter(|(_, status)| asked.contains(status))
            .map(|(order, _)| order)
            .collect();
        for limit in [1, 2, 3, 100] {
            let found = ids(&app, APITEST, &format!("status={query}&limit={limit}")).await;
            assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{query} by {limit}");
        }
        let foreign = foreign["id"].as_str().unwrap().to_owned();
        let found = ids(&app, STAFF, &format!("status={query}&limit=4")).await;
        assert_eq!(found.contains(&foreign), asked.contains("placed"), "{query}");
        assert_eq!(
            found.len(),
            expected.len() + usize::from(asked.contains("placed")),
            "{query}"
        );
    }
    for query in ["out_for_delivery", "delivered"] {
        assert!(ids(&app, STAFF, &format!("status={query}")).await.is_empty());
    }
}

#[tokio::test]
async fn the_state_of_an_expanded_order_is_the_data_of_its_newest_event() {
    let app = TestApp::start().await;
    for status in ["placed", "accepted", "rejected"] {
        let order = placed(&app).await;
        if status != "placed" {
            change_silently(&app.database, &order, status).await;
        }
    }

    let expanded = all(&app, APITEST, "/api/order?expand=status&limit=2").await;
    let plain = app.get_as(APITEST, "/api/order").await;

    assert_eq!(expanded.len(), 3);
    let mut stripped = expanded.clone();
    for (order, status) in expanded.iter().zip(["rejected", "accepted", "placed"]) {
        let mut events = Events::open(&app.server, APITEST, order["id"].as_str().unwrap(), None).await;
        assert_eq!(order["status"], events.next().await.unwrap().data);
        assert_eq!(order["status"]["status"], status);
    }
    for order in &mut stripped {
        order.as_object_mut().unwrap().remove("status").unwrap();
    }
    assert_eq!(plain.json(), Value::Array(stripped));
    let filtered = all(&app, APITEST, "/api/order?expand=status&status=accepted").await;
    assert_eq!(filtered, [expanded[1].clone()]);
}

#[tokio::test]
async fn a_list_without_these_parameters_is_as_it_was() {
    let app = TestApp::start().await;
    let mut texts = Vec::new();
    for status in ["accepted", "cancelled", "placed"] {
        let answer = app.place_order([(PIZZA, 1)]).send().await;
        let order = answer.member("id");
        if status != "placed" {
            change_silently(&app.database, &order, status).await;
        }
        assert_eq!(
            answer.header("link"),
            Some(format!("</api/order/{order}/status>; rel=\"status\"").as_str())
        );
        let read = app.get_as(APITEST, &format!("/api/order/{order}")).await;
        assert_eq!(read.text(), answer.text());
        assert_eq!(read.header("link"), answer.header("link"));
        texts.insert(0, answer.text());
    }

    let list = app.get_as(APITEST, "/api/order").await;
    let empty = app.get_as(APITEST, "/api/order?status=&expand=").await;

    assert_eq!(list.text(), format!("[{}]", texts.join(",")));
    assert_eq!(empty.text(), list.text());
    assert_eq!(list.header("link"), None);
}

#[tokio::test]
async fn an_answer_that_is_repeated_names_the_status_of_the_first_order() {
    let app = TestApp::start().await;
    let order = || app.place_order([(PIZZA, 1)]).idempotency_key("once");

    let (first, again) = (order().send().await, order().send().await);

    assert_eq!(first.bytes(), again.bytes());
    assert!(first.header("link").is_some());
    assert_eq!(first.header("link"), again.header("link"));
}

#[tokio::test]
async fn orders_beyond_the_window_are_not_placed_and_those_from_before_the_life_cycle_were_picked_up() {
    let app = TestApp::start().await;
    app.database
        .execute("UPDATE order_life_cycle SET began_at = now() - interval '10 days'")
        .await;
    let old = placed_ago(&app.database, "10 days 1 minute").await;
    let beyond = placed_ago(&app.database, "24 hours 1 minute").await;
    let within = placed_ago(&app.database, "23 hours 59 minutes").await;
    let new = placed(&app).await;

    assert_eq!(
        ids(&app, APITEST, "status=placed").await,
        [new.clone(), within.clone()]
    );
    assert_eq!(ids(&app, STAFF, "status=placed&limit=1").await, [new, within]);
    for key in [APITEST, STAFF] {
        assert_eq!(ids(&app, key, "status=picked_up").await, [old.as_str()]);
    }
    assert_eq!(ids(&app, APITEST, "").await.len(), 4);
    let expanded = all(&app, APITEST, "/api/order?expand=status").await;
    let states: Vec<&Value> = expanded.iter().map(|order| &order["status"]["status"]).collect();
    assert_eq!(states, ["placed", "placed", "placed", "picked_up"]);
    assert_eq!(expanded[2]["id"], beyond.as_str());
    // Nothing follows.
    let mut events = Events::open(&app.server, APITEST, &old, None).await;
    assert_eq!(events.next().await.unwrap().data["status"], "picked_up");
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn states_and_members_that_there_are_not_are_refused() {
    let app = TestApp::start().await;
    for query in [
        "status=cooking",
        "status=placed,",
        "status=,",
        "status=Placed",
        "status=placed%20",
        "status=placed;accepted",
        "status=placed&status=ready",
        "status=%00",
        "expand=items",
        "expand=status,status",
        "expand=Status",
    ] {
        let answer = app.get_as(APITEST, &format!("/api/order?{query}")).await;
        assert_eq!(answer.error(), (400, "invalid_parameter".into()), "{query}");
    }
}
