//! Nothing that was answered 200 is lost, however the process ends.

use std::collections::HashSet;

use test_support::TestDatabase;

use crate::http::{Connection, Request};
use crate::pod::Pod;

/// Customers who order at the same time.
const CUSTOMERS: usize = 8;
const ORDER: &str = r#"{"items":[{"productId":"4","quantity":3}],"couponCode":"SAVE10"}"#;

#[tokio::test]
async fn every_order_answered_200_before_kill_9_is_stored_whole() {
    let database = TestDatabase::migrated().await;
    let (pod, api) = Pod::ready(&database).await;
    let port = api.port;
    let customers: Vec<_> = (0..CUSTOMERS)
        .map(|_| {
            tokio::spawn(async move {
                let mut answered = Vec::new();
                let mut connection = Connection::open(port).await.unwrap();
                while let Ok(answer) = connection.send(&Request::order(ORDER)).await {
                    assert_eq!(answer.status, 200, "{answer:?}");
                    answered.push((answer.member("id"), answer.text().to_owned()));
                }
                answered
            })
        })
        .collect();
    let count = "SELECT count(*) FROM orders WHERE coupon_code = 'SAVE10' AND total = 32.37";
    test_support::eventually("orders are stored", async || {
        database.value(count).await.parse::<u32>().unwrap() >= 50
    })
    .await;

    api.process.signal("KILL");
    let output = api.process.wait_output().await;

    assert_eq!(output.signal, Some(9));
    let mut answered = Vec::new();
    for customer in customers {
        answered.extend(customer.await.unwrap());
    }
    assert!(answered.len() >= 40, "{}", answered.len());
    let ids = database
        .rows("SELECT order_id FROM order_items GROUP BY order_id HAVING count(*) = 1 AND sum(quantity) = 3")
        .await;
    let stored: HashSet<String> = ids.into_iter().map(|mut row| row.remove(0)).collect();
    let api = pod.serve().await;
    for (id, text) in &answered {
        assert!(stored.contains(id), "{id}");
        if id.ends_with('0') {
            assert_eq!(api.get_own(&format!("/api/order/{id}")).await.text(), text);
        }
    }
    let half = "SELECT count(*) FROM orders WHERE NOT EXISTS (SELECT FROM order_items WHERE order_id = id)";
    assert_eq!(database.value(half).await, "0");
    // Nothing else is stored but orders whose answer was on its way.
    let others = database.value(count).await.parse::<usize>().unwrap() - answered.len();
    assert!(others <= CUSTOMERS, "{others}");
}

#[tokio::test]
async fn after_kill_9_the_same_idempotency_key_tells_what_became_of_an_order() {
    let database = TestDatabase::migrated().await;
    let (pod, api) = Pod::ready(&database).await;
    let port = api.port;
    let order = |customer: usize, n: usize| {
        Request::order(ORDER).header("Idempotency-Key", &format!("{customer}-{n}"))
    };
    let customers: Vec<_> = (0..CUSTOMERS)
        .map(|customer| {
            tokio::spawn(async move {
                let mut answered = Vec::new();
                let mut connection = Connection::open(port).await.unwrap();
                while let Ok(answer) = connection.send(&order(customer, answered.len())).await {
                    assert_eq!(answer.status, 200, "{answer:?}");
                    answered.push(answer.text().to_owned());
                }
                answered
            })
        })
        .collect();
    let count = "SELECT count(*) FROM idempotency_keys";
    test_support::eventually("orders are stored", async || {
        database.value(count).await.parse::<usize>().unwrap() >= 50
    })
    .await;

    api.process.signal("KILL");
    api.process.wait_output().await;

    let api = pod.serve().await;
    let mut orders = 0;
    for (customer, answered) in (0..).zip(customers) {
        let answered = answered.await.unwrap();
        for (n, text) in answered.iter().enumerate() {
            let again = api.send(&order(customer, n)).await;
            assert_eq!((again.status, again.text()), (200, text.as_str()));
        }
        // The one whose answer never came.
        let last = api.send(&order(customer, answered.len())).await;
        assert_eq!(last.status, 200, "{last:?}");
        orders += answered.len() + 1;
    }
    let stored = "SELECT count(*) FROM orders WHERE coupon_code = 'SAVE10' AND total = 32.37";
    assert_eq!(database.value(stored).await, orders.to_string());
    assert_eq!(database.value(count).await, orders.to_string());
}
