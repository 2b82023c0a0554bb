//! Any basket, against a computation of its own.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::fixtures::PRODUCTS;
use crate::harness::TestApp;

const CASES: usize = 48;

type Basket = (Vec<(u64, i64)>, Option<&'static str>);

fn basket() -> impl Strategy<Value = Basket> {
    let lines = prop::collection::vec((1u64..=10, prop_oneof![1i64..=5, 1i64..=300]), 1..12);
    let codes = [
        "SAVE10",
        "HAPPYHOURS",
        "BUYGETONE",
        "FIFTYOFF",
        "SIXTYOFF",
        "BIRTHDAY",
        "GNULINUX",
        "OVER9000",
        "FREEZAAA",
        "BULKCODE",
    ];
    (lines, prop::option::of(prop::sample::select(codes.to_vec())))
}

/// The whole answer but for the id; none when the basket must be refused.
fn expected((lines, code): &Basket) -> Option<Value> {
    let mut items: Vec<(u64, i64)> = Vec::new();
    for (product, quantity) in lines {
        match items.iter_mut().find(|(other, _)| other == product) {
            Some((_, sum)) => *sum += quantity,
            None => items.push((*product, *quantity)),
        }
    }
    let product = |id: u64| PRODUCTS.iter().find(|row| row.0 == id).unwrap();
    let units: i64 = items.iter().map(|(_, quantity)| quantity).sum();
    if items.iter().any(|(_, quantity)| *quantity > 1000) || (*code == Some("BUYGETONE") && units < 2) {
        return None;
    }
    let subtotal: i64 = items.iter().map(|(id, quantity)| product(*id).2 * quantity).sum();
    let percent = |share: i64| (subtotal * share * 2 + 100) / 200;
    let cheapest = items.iter().map(|(id, _)| product(*id).2).min().unwrap();
    let discount = match code.unwrap_or("none") {
        "SAVE10" => percent(10),
        "HAPPYHOURS" => percent(18),
        "FIFTYOFF" => percent(50),
        "SIXTYOFF" => percent(60),
        "GNULINUX" => percent(15),
        "FREEZAAA" => percent(100),
        "OVER9000" => subtotal.min(900),
        "BUYGETONE" | "BIRTHDAY" => cheapest,
        _ => 0,
    };
    let amount = |cents: i64| {
        let text = format!("{}.{:02}", cents / 100, cents % 100);
        text.parse::<f64>().unwrap()
    };
    let described = |(id, _): &(u64, i64)| {
        let (id, name, cents, category) = product(*id);
        json!({"id": id.to_string(), "name": name, "price": amount(*cents), "category": category})
    };
    let mut answer = json!({
        "items": items.iter().map(|(id, quantity)| json!({"productId": id.to_string(), "quantity": quantity})).collect::<Vec<_>>(),
        "products": items.iter().map(described).collect::<Vec<_>>(),
        "total": amount(subtotal - discount),
        "discounts": amount(discount),
    });
    if let Some(code) = code {
        answer["couponCode"] = json!(code);
    }
    Some(answer)
}

#[tokio::test]
async fn any_basket_is_priced_as_an_independent_computation_says() {
    let app = TestApp::start().await;
    let mut runner = TestRunner::default();
    let mut stored = 0;

    for _ in 0..CASES {
        let basket = basket().new_tree(&mut runner).unwrap().current();
        let order = app.place_order(basket.0.clone());
        let answer = match basket.1 {
            Some(code) => order.coupon(code),
            None => order,
        }
        .send()
        .await;
        match expected(&basket) {
            None => assert_eq!(answer.status(), 422, "{basket:?}"),
            Some(expected) => {
                let mut order = answer.json();
                let id = order.as_object_mut().unwrap().remove("id");
                assert!(id.is_some(), "{basket:?}: {order}");
                assert_eq!(order, expected, "{basket:?}");
                stored += 1;
            }
        }
    }

    assert_eq!(app.order_count().await, stored);
    let sums = "SELECT bool_and(total = subtotal - discount AND total >= 0 AND subtotal =
                    (SELECT sum(unit_price * quantity) FROM order_items WHERE order_id = id)) FROM orders";
    assert_eq!(app.database.value(sums).await, "t");
}
