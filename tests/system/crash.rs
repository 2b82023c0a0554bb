//! No order that was answered 200 is lost when the process is killed.

use std::collections::HashSet;

use test_support::TestDatabase;

use crate::customers::{self, Customers};
use crate::pod::{Pod, order_request};

/// Customers who order at the same time.
const CUSTOMERS: usize = 8;
const ORDER: &str = r#"{"items":[{"productId":"4","quantity":3}],"couponCode":"SAVE10"}"#;
const COUNT: &str = "SELECT count(*) FROM orders WHERE coupon_code = 'SAVE10' AND total = 32.37";

#[tokio::test]
async fn every_order_answered_200_before_kill_9_is_stored_whole() {
    let database = TestDatabase::migrated().await;
    let (pod, api) = Pod::ready(&database).await;
    let customers = Customers::start(CUSTOMERS, api.port, |_, _| order_request(ORDER));
    customers::stored(&database, COUNT, 50).await;

    api.process.signal("KILL");
    let output = api.process.wait_output().await;

    assert_eq!(output.signal, Some(9));
    let customers = customers.finish().await;
    let answered: Vec<_> = customers.iter().flat_map(|customer| &customer.answers).collect();
    assert!(answered.len() >= 40, "{}", answered.len());
    let ids = database
        .rows("SELECT order_id FROM order_items GROUP BY order_id HAVING count(*) = 1 AND sum(quantity) = 3")
        .await;
    let whole: HashSet<String> = ids.into_iter().flatten().collect();
    let api = pod.serve().await;
    for answer in &answered {
        assert_eq!(answer.status(), 200, "{answer:?}");
        let id = answer.member("id");
        assert!(whole.contains(&id), "{id}");
        if id.ends_with('0') {
            let read = api.get_own(&format!("/api/order/{id}")).await;
            assert_eq!(read.text(), answer.text());
        }
    }
    let half = "SELECT count(*) FROM orders WHERE NOT EXISTS (SELECT FROM order_items WHERE order_id = id)";
    assert_eq!(database.value(half).await, "0");
    // Nothing else is stored but orders whose answer was on its way.
    let others = database.value(COUNT).await.parse::<usize>().unwrap() - answered.len();
    assert!(others <= CUSTOMERS, "{others}");
}

#[tokio::test]
async fn after_kill_9_the_same_idempotency_key_tells_what_became_of_an_order() {
    let database = TestDatabase::migrated().await;
    let (pod, api) = Pod::ready(&database).await;
    let order =
        |customer: usize, n: usize| order_request(ORDER).header("Idempotency-Key", format!("{customer}-{n}"));
    let customers = Customers::start(CUSTOMERS, api.port, order);
    let keys = "SELECT count(*) FROM idempotency_keys";
    customers::stored(&database, keys, 50).await;

    api.process.signal("KILL");
    api.process.wait_output().await;

    let api = pod.serve().await;
    let mut orders = 0;
    for (customer, answered) in (0..).zip(customers.finish().await) {
        for (n, answer) in answered.answers.iter().enumerate() {
            let again = api.send(&order(customer, n)).await;
            assert_eq!((answer.status(), again.status()), (200, 200), "{answer:?}");
            assert_eq!(again.text(), answer.text());
        }
        // The one whose answer never came.
        let last = api.send(&order(customer, answered.answers.len())).await;
        assert_eq!(last.status(), 200, "{last:?}");
        orders += answered.answers.len() + 1;
    }
    assert_eq!(database.value(COUNT).await, orders.to_string());
    assert_eq!(database.value(keys).await, orders.to_string());
}
