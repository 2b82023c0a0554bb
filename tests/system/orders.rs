//! What the sample data promise: catalogue, promotions, coupon codes.

use serde_json::json;
use test_support::TestDatabase;

use crate::pod::Pod;

const CATALOGUE: &str = concat!(
    r#"[{"id":"1","name":"Chicken Waffle","price":12.99,"category":"Waffle"},"#,
    r#"{"id":"2","name":"Belgian Waffle","price":10.99,"category":"Waffle"},"#,
    r#"{"id":"3","name":"Blueberry Pancakes","price":9.99,"category":"Pancakes"},"#,
    r#"{"id":"4","name":"Chocolate Pancakes","price":11.99,"category":"Pancakes"},"#,
    r#"{"id":"5","name":"Caesar Salad","price":8.99,"category":"Salad"},"#,
    r#"{"id":"6","name":"Greek Salad","price":9.49,"category":"Salad"},"#,
    r#"{"id":"7","name":"Margherita Pizza","price":13.99,"category":"Pizza"},"#,
    r#"{"id":"8","name":"Pepperoni Pizza","price":15.99,"category":"Pizza"},"#,
    r#"{"id":"9","name":"Cheeseburger","price":11.49,"category":"Burger"},"#,
    r#"{"id":"10","name":"Veggie Burger","price":10.49,"category":"Burger"}]"#
);

#[tokio::test]
async fn the_sample_catalogue_is_served_in_numeric_order_and_to_the_cent() {
    let database = TestDatabase::migrated().await;
    let (_, api) = Pod::ready(&database).await;

    let all = api.get("/api/product").await;

    assert_eq!((all.status(), &*all.text()), (200, CATALOGUE));
    let products = all.json();
    for product in products.as_array().unwrap() {
        let path = format!("/api/product/{}", product["id"].as_str().unwrap());
        let one = api.get(&path).await;
        assert_eq!((one.status(), &one.json()), (200, product), "{path}");
        assert!(CATALOGUE.contains(&one.text()), "{}", one.text());
    }
}

/// Coupon, discount, total of twice product 1 and once product 3: 35.97 before the coupon.
const PROMOTIONS: [(&str, &str, &str); 11] = [
    ("SAVE10", "3.60", "32.37"),
    ("HAPPYHOURS", "6.47", "29.50"),
    ("HAPPYHRS", "6.47", "29.50"),
    ("BUYGETONE", "9.99", "25.98"),
    ("BUYGETON", "9.99", "25.98"),
    ("FIFTYOFF", "17.99", "17.98"),
    ("SIXTYOFF", "21.58", "14.39"),
    ("BIRTHDAY", "9.99", "25.98"),
    ("GNULINUX", "5.40", "30.57"),
    ("OVER9000", "9.00", "26.97"),
    ("FREEZAAA", "35.97", "0.00"),
];

#[tokio::test]
async fn every_sample_promotion_takes_off_exactly_what_it_says() {
    let database = TestDatabase::migrated().await;
    let (_, api) = Pod::ready(&database).await;
    let items = r#"[{"productId":"1","quantity":2},{"productId":"3","quantity":1}]"#;

    for (code, discount, total) in PROMOTIONS {
        let answer = api
            .order(format!(r#"{{"items":{items},"couponCode":"{code}"}}"#))
            .await;

        assert_eq!(answer.status(), 200, "{code}: {answer:?}");
        let written = format!(r#""couponCode":"{code}","total":{total},"discounts":{discount}}}"#);
        assert!(answer.text().ends_with(&written), "{}", answer.text());
        let id = answer.member("id");
        let stored = format!("SELECT subtotal, discount, total, coupon_code FROM orders WHERE id = '{id}'");
        assert_eq!(
            database.value(&stored).await,
            format!("35.97|{discount}|{total}|{code}")
        );
    }
}

#[tokio::test]
async fn a_bulk_code_counts_if_two_of_the_files_hold_it_and_is_worth_nothing() {
    let database = TestDatabase::migrated().await;
    let (_, api) = Pod::ready(&database).await;
    let before = database.value("SELECT count(*) FROM orders").await;
    let order = |code: &str| json!({ "items": [{ "productId": "7", "quantity": 1 }], "couponCode": code });

    for refused in [
        // One file, though twice in it.
        "SUPER100",
        "PANCAKES1",
        "PIZZA2025",
        "LUNCHTIME",
        "BREAKFAST",
        // Too short and too long.
        "SHORT1",
        "TOOLONG123456",
        // No file at all, and other letters.
        "NOWHERE1",
        "waffle24",
        " WAFFLE24",
    ] {
        let answer = api.order(order(refused)).await;
        assert_eq!(
            (answer.status(), &*answer.member("type")),
            (422, "coupon_unknown"),
            "{refused}"
        );
    }
    assert_eq!(database.value("SELECT count(*) FROM orders").await, before);

    for accepted in ["WAFFLE24", "DINNER4TWO"] {
        let answer = api.order(order(accepted)).await;
        let written = format!(r#""couponCode":"{accepted}","total":13.99,"discounts":0.00}}"#);
        assert!(answer.text().ends_with(&written), "{accepted}: {answer:?}");
    }
    let codes = "SELECT string_agg(code, ' ' ORDER BY code) FROM coupon_codes";
    assert_eq!(
        database.value(codes).await,
        "DINNER4TWO FIFTYOFF HAPPYHRS WAFFLE24"
    );
}
