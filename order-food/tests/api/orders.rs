//! Placing an order: what is answered, what is stored.

use serde_json::json;

use crate::fixtures::{APITEST, PANCAKES, PIZZA, WAFFLE, key_id};
use crate::harness::TestApp;

#[tokio::test]
async fn the_sample_order_is_answered_and_stored() {
    let app = TestApp::start().await;
    let body =
        r#"{"items":[{"productId":"1","quantity":2},{"productId":"3","quantity":1}],"couponCode":"SAVE10"}"#;

    let answer = app.post(body).await;

    let id = answer.member("id");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(
        answer.text(),
        format!(
            r#"{{"id":"{id}","items":[{{"productId":"1","quantity":2}},{{"productId":"3","quantity":1}}],"products":[{{"id":"1","name":"Chicken Waffle","price":12.99,"category":"Waffle"}},{{"id":"3","name":"Blueberry Pancakes","price":9.99,"category":"Pancakes"}}],"couponCode":"SAVE10","total":32.37,"discounts":3.60}}"#
        )
    );
    assert_eq!(
        app.database
            .rows("SELECT id, api_key_id, coupon_code, subtotal, discount, total, status FROM orders")
            .await,
        [[
            &*id,
            &key_id(APITEST),
            "SAVE10",
            "35.97",
            "3.60",
            "32.37",
            "placed"
        ]]
    );
    assert_eq!(
        app.database
            .rows("SELECT order_id, line, product_id, product_name, category, unit_price, quantity FROM order_items ORDER BY line")
            .await,
        [
            [&*id, "1", "1", "Chicken Waffle", "Waffle", "12.99", "2"],
            [&*id, "2", "3", "Blueberry Pancakes", "Pancakes", "9.99", "1"]
        ]
    );
}

#[tokio::test]
async fn an_order_without_a_coupon_has_no_discount() {
    let app = TestApp::start().await;

    for coupon in [json!(null), json!("")] {
        let order = app.place_order([(PIZZA, 2)]).coupon(coupon).accepted().await;
        assert_eq!(
            (&order["total"], &order["discounts"]),
            (&json!(27.98), &json!(0.0))
        );
        assert_eq!(order.get("couponCode"), None);
    }
    let order = app.place_order([(PIZZA, 2)]).accepted().await;

    assert_eq!(order.get("couponCode"), None);
    let count = "SELECT count(*) FROM orders WHERE coupon_code IS NULL";
    assert_eq!(app.database.value(count).await, "3");
}

#[tokio::test]
async fn ids_are_uuids_of_version_7_and_differ() {
    let app = TestApp::start().await;

    let first = app.place_order([(PIZZA, 1)]).accepted().await;
    let second = app.place_order([(PIZZA, 1)]).accepted().await;

    let id = |order: &serde_json::Value| uuid::Uuid::parse_str(order["id"].as_str().unwrap()).unwrap();
    assert_eq!(id(&first).get_version_num(), 7);
    assert!(id(&first) < id(&second));
}

#[tokio::test]
async fn lines_of_one_product_are_merged_where_it_was_first_seen() {
    let app = TestApp::start().await;

    let order = app
        .place_order([(PIZZA, 500), (10, 2), (WAFFLE, 1), (PIZZA, 500), (10, 1)])
        .accepted()
        .await;

    assert_eq!(
        order["items"],
        json!([{"productId": "7", "quantity": 1000}, {"productId": "10", "quantity": 3}, {"productId": "1", "quantity": 1}])
    );
    let products = order["products"].as_array().unwrap();
    let ids: Vec<&str> = products
        .iter()
        .map(|product| product["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["7", "10", "1"]);
    let rows = "SELECT product_id, quantity FROM order_items ORDER BY line";
    assert_eq!(
        app.database.rows(rows).await,
        [["7", "1000"], ["10", "3"], ["1", "1"]]
    );
}

#[tokio::test]
async fn a_hundred_lines_are_taken() {
    let app = TestApp::start().await;
    let mut products = vec![PIZZA.to_string(); 90];
    products.extend((1..=10).map(|id| id.to_string()));

    let order = app
        .place_order(products.into_iter().map(|id| (id, 1)))
        .accepted()
        .await;

    assert_eq!(order["items"][0], json!({"productId": "7", "quantity": 91}));
    assert_eq!(app.order_count().await, 1);
}

#[tokio::test]
async fn whole_numbers_may_be_written_in_any_way() {
    let app = TestApp::start().await;

    for (quantity, expected) in [
        ("2", 2),
        ("2.0", 2),
        ("1E3", 1000),
        ("12.50e1", 125),
        ("1200e-2", 12),
        ("1000", 1000),
    ] {
        let body = format!(r#"{{"items":[{{"productId":"5","quantity":{quantity}}}]}}"#);
        let answer = app.post(body).await;
        assert_eq!(answer.json()["items"][0]["quantity"], expected, "{quantity}");
    }
}

#[tokio::test]
async fn unknown_fields_are_ignored() {
    let app = TestApp::start().await;
    let body = r#"{"note":{"a":[1e999,"}]\u00e9",null]},"items":[{"productId":"1","quantity":1,"price":0.01,"productName":"x"}],
        "total":0,"id":"mine","coupon_code":"SAVE10"}"#;

    let answer = app.post(body).await;

    assert_eq!(answer.status(), 200);
    assert_eq!(answer.json()["total"], 12.99);
    assert_ne!(answer.json()["id"], "mine");
}

#[tokio::test]
async fn free_products_make_a_total_of_zero() {
    let app = TestApp::start().await;
    app.publish("INSERT INTO products VALUES (11, 'Water', 0, 'Drinks')")
        .await;

    let order = app.place_order([(11, 3)]).coupon("OVER9000").accepted().await;

    assert_eq!((&order["total"], &order["discounts"]), (&json!(0.0), &json!(0.0)));
}

#[tokio::test]
async fn an_order_is_read_back_as_it_was_answered_whatever_became_of_the_catalogue() {
    let app = TestApp::start().await;
    let placed = app
        .place_order([(PIZZA, 2), (PANCAKES, 1)])
        .coupon("FIFTYOFF")
        .send()
        .await;
    app.publish(
        "UPDATE products SET price = 99.99, name = 'Pinsa', category = 'Roman' WHERE id = 7;
         UPDATE products SET available = false WHERE id = 3;
         UPDATE promotions SET value = 1 WHERE code = 'FIFTYOFF'",
    )
    .await;

    let read = app
        .get_as(APITEST, &format!("/api/order/{}", placed.member("id")))
        .await;

    assert_eq!(read.text(), placed.text());
    assert_eq!(app.get("/api/product/7").await.json()["price"], 99.99);
}

#[tokio::test]
async fn a_retired_product_is_neither_listed_nor_sold() {
    let app = TestApp::start().await;

    app.publish("UPDATE products SET available = false WHERE id = 7")
        .await;

    assert_eq!(app.get("/api/product/7").await.status(), 404);
    assert!(!app.get("/api/product").await.text().contains("Margherita"));
    app.rejects(app.place_order([(PIZZA, 1)]), "unknown_product")
        .await;
}
