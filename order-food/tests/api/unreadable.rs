//! Rows that cannot be read: they are left out, counted, and the rest is served.

use database::rows::{ProductRow, served};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use shop::Product;
use test_support::Process;

use crate::fixtures::{self, APITEST, HASH_KEYS, OTHER, PIZZA, READER, STAFF, WRITER, key_id};
use crate::harness::TestApp;

/// Rows that no build of the loader writes, one for each reason to leave a row out.
fn unreadable_rows() -> String {
    format!(
        "ALTER TABLE promotions DROP CONSTRAINT promotions_kind_known, DROP CONSTRAINT promotions_value_in_range;
         ALTER TABLE api_keys DROP CONSTRAINT api_keys_key_hash_length;
         UPDATE products SET image = '{{\"thumbnail\": 5}}' WHERE id = 1;
         UPDATE products SET image = '[]' WHERE id = 2;
         UPDATE products SET image = '\"https://example.com/w.jpg\"' WHERE id = 3;
         UPDATE products SET price = 'NaN' WHERE id = 4;
         UPDATE promotions SET kind = 'two_for_one' WHERE code = 'SIXTYOFF';
         UPDATE promotions SET value = 900 WHERE code = 'FIFTYOFF';
         UPDATE promotions SET max_discount = 'NaN' WHERE code = 'GNULINUX';
         UPDATE promotions SET starts_at = '-infinity' WHERE code = 'OVER9000';
         INSERT INTO promotions (code, kind, value, min_items) VALUES (E'A\\tB', 'percentage', 10, 1);
         UPDATE api_keys SET key_hash = '\\x00' WHERE id = '{}';
         UPDATE api_keys SET expires_at = 'infinity' WHERE id = '{}';",
        key_id(READER),
        key_id(WRITER)
    )
}

async fn skipped(app: &TestApp) -> [u64; 3] {
    let metrics = app.get("/metrics").await.text();
    ["products", "promotions", "api_keys"].map(|table| {
        let name = format!("snapshot_rows_skipped{{table=\"{table}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
        line.unwrap_or_else(|| panic!("{metrics}")).parse().unwrap()
    })
}

pub(crate) async fn is_up_to_date(app: &TestApp) -> bool {
    app.get("/metrics")
        .await
        .text()
        .contains("\nsnapshot_up_to_date 1\n")
}

#[tokio::test]
async fn rows_that_cannot_be_read_are_left_out_and_counted_and_the_rest_is_served() {
    let app = TestApp::start().await;
    assert_eq!(skipped(&app).await, [0, 0, 0]);

    app.publish(&format!(
        "{} UPDATE products SET price = 20.00 WHERE id = {PIZZA}",
        unreadable_rows()
    ))
    .await;

    assert_eq!(skipped(&app).await, [4, 5, 2]);
    assert!(is_up_to_date(&app).await);
    assert_eq!(app.get("/ready").await.json()["products"], 6);
    for id in 1..=4 {
        assert_eq!(app.get(&format!("/api/product/{id}")).await.status(), 404, "{id}");
    }
    let order = app.place_order([(PIZZA, 2)]).coupon("SAVE10").accepted().await;
    assert_eq!(order["total"], 36.0);
    for code in ["SIXTYOFF", "GNULINUX", "OVER9000"] {
        let answer = app.place_order([(PIZZA, 2)]).coupon(code).send().await;
        assert_eq!(answer.error(), (422, "coupon_unknown".into()), "{code}");
    }
    assert_eq!(app.get_as(READER, "/api/order").await.status(), 403);
    assert_eq!(app.get_as(STAFF, "/api/order").await.status(), 200);

    app.publish("UPDATE products SET image = NULL, price = 1 WHERE id < 5")
        .await;
    assert_eq!(skipped(&app).await, [0, 5, 2]);
    assert_eq!(app.get("/api/product/4").await.json()["price"], 1.0);
}

#[tokio::test]
async fn a_new_replica_starts_beside_rows_that_it_cannot_read_and_names_each_once() {
    let database = fixtures::database().await;
    database.execute(&unreadable_rows()).await;
    let environment = [
        ("DATABASE_URL", database.url()),
        ("API_KEY_HASH_KEY", HASH_KEYS),
        ("PORT", "0"),
        ("REFRESH_INTERVAL", "1"),
        ("LOG_FORMAT", "text"),
        ("JAEGER_ENDPOINT", "none"),
    ];
    let mut server = Process::spawn(env!("CARGO_BIN_EXE_order-food"), ["serve"], &environment);
    server.wait_for_text("the shop's data were read").await;

    // Some refreshes later.
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;

    server.signal("TERM");
    let log = server.wait_output().await.stderr;
    let named: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("a row cannot be read and is left out"))
        .collect();
    assert_eq!(named.len(), 11, "{log}");
    for row in [
        "1: image: ",
        "4: price: ",
        "SIXTYOFF: kind: ",
        "GNULINUX: max_discount: ",
    ] {
        assert_eq!(
            named.iter().filter(|line| line.contains(row)).count(),
            1,
            "{row}: {log}"
        );
    }
}

#[tokio::test]
async fn more_unreadable_rows_than_are_named_are_counted() {
    let app = TestApp::start().await;

    app.publish(
        "INSERT INTO products (id, name, price, category, image)
         SELECT id, 'Soup', 5.00, 'Soup', '7' FROM generate_series(100, 399) AS id",
    )
    .await;

    assert_eq!(skipped(&app).await, [300, 0, 0]);
    assert_eq!(app.get("/ready").await.json()["products"], 10);
}

#[tokio::test]
async fn products_of_which_none_can_be_read_are_served_in_their_last_state() {
    let app = TestApp::start().await;

    app.publish("UPDATE products SET price = 'NaN'").await;

    assert!(!is_up_to_date(&app).await);
    assert_eq!(app.get("/ready").await.json()["products"], 10);
    app.place_order([(PIZZA, 1)]).accepted().await;

    app.publish("UPDATE products SET price = 2.00").await;

    assert!(is_up_to_date(&app).await);
    let order = app.place_order([(PIZZA, 1)]).accepted().await;
    assert_eq!(order["total"], 2.0);
}

/// Rows as JSON: names of any letters, prices of any scale, images of any shape.
fn any_products() -> Vec<Value> {
    let text = "[^\\x00]{1,20}";
    let image = prop_oneof![
        Just(Value::Null),
        text.prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        prop::collection::vec(text, 0..2).prop_map(Value::from),
        prop::collection::hash_map(
            "thumbnail|mobile|tablet|desktop|retina",
            prop_oneof![4 => text.prop_map(Value::from), 1 => Just(Value::Null), 1 => any::<u8>().prop_map(Value::from)],
            0..5,
        )
        .prop_map(|sizes| Value::Object(sizes.into_iter().collect())),
    ];
    let products = prop::collection::vec((text, 0_i64..10_000_000_000, text, image), 400);
    let tree = products.new_tree(&mut TestRunner::deterministic()).unwrap();
    let product = |(id, (name, cents, category, image)): (usize, (String, i64, String, Value))| {
        let price: Value = serde_json::from_str(&format!("{}.{:02}", cents / 100, cents % 100)).unwrap();
        json!({"id": id, "name": name, "price": price, "category": category, "image": image})
    };
    (1_000..).zip(tree.current()).map(product).collect()
}

/// `database::rows` is what the loader checks each row with before it publishes or restores it.
#[tokio::test]
async fn rows_that_the_loader_accepts_are_served_and_only_those() {
    let app = TestApp::start().await;
    let rows = any_products();

    app.publish(&format!(
        "DELETE FROM products;
         INSERT INTO products (id, name, price, category, image)
         SELECT id, name, price, category, image
         FROM json_populate_recordset(NULL::products, $json${}$json$)",
        Value::from(rows.clone())
    ))
    .await;

    let accepted: Vec<Value> = rows
        .iter()
        .filter_map(|row| served::<ProductRow, Product>(&row.to_string()).ok())
        .map(|product| serde_json::to_value(product).unwrap())
        .collect();
    let refused = rows.len() - accepted.len();
    assert!(refused > 50 && accepted.len() > 50, "{refused}");
    assert_eq!(app.get("/api/product").await.json(), Value::from(accepted));
    assert_eq!(skipped(&app).await[0], refused as u64);
}

#[tokio::test]
async fn a_picture_is_served_in_the_sizes_that_are_known() {
    let app = TestApp::start().await;
    app.publish(
        "UPDATE products SET image = '{\"thumbnail\": \"https://example.com/w.jpg\"}' WHERE id = 1;
         UPDATE products SET image = '{\"tablet\": \"t\", \"mobile\": null, \"retina\": \"r\"}' WHERE id = 2;
         UPDATE products SET image = '{}' WHERE id = 3;
         UPDATE products SET image = 'null' WHERE id = 4;
         UPDATE products SET image = '{\"thumbnail\": \"javascript:alert(1)\", \"mobile\": \"/m.jpg\"}' WHERE id = 5;
         UPDATE products SET image = '{\"desktop\": \"data:text/html,x\"}' WHERE id = 6",
    )
    .await;

    let products = app.get("/api/product").await.json();
    let image = |index: usize| products[index].get("image").cloned();
    assert_eq!(image(0), Some(json!({"thumbnail": "https://example.com/w.jpg"})));
    assert_eq!(image(1), Some(json!({"tablet": "t"})));
    assert_eq!(image(2), None);
    assert_eq!(image(3), None);
    assert_eq!(image(4), Some(json!({"mobile": "/m.jpg"})));
    assert_eq!(image(5), None);
    assert_eq!(products.as_array().unwrap().len(), 10);
    assert_eq!(app.get("/api/product/1").await.json()["image"], image(0).unwrap());
    assert_eq!(skipped(&app).await, [0, 0, 0]);
}

#[tokio::test]
async fn a_scope_that_this_build_does_not_know_gives_no_right_and_takes_none() {
    let app = TestApp::start().await;
    let scopes = |key: &str, scopes: &str| {
        format!(
            "UPDATE api_keys SET scopes = {scopes} WHERE id = '{}';",
            key_id(key)
        )
    };

    app.publish(&format!(
        "ALTER TABLE api_keys DROP CONSTRAINT api_keys_scopes_known; {}{}{}SELECT 1",
        scopes(
            APITEST,
            "ARRAY['refund_orders', 'create_order', '', 'read_orders']"
        ),
        scopes(OTHER, "ARRAY['refund_orders']"),
        scopes(READER, "ARRAY['']"),
    ))
    .await;

    app.place_order([(PIZZA, 1)]).accepted().await;
    assert_eq!(app.get_as(APITEST, "/api/order").await.status(), 200);
    for key in [OTHER, READER] {
        assert_eq!(app.get_as(key, "/api/order").await.status(), 403, "{key}");
    }
    assert_eq!(skipped(&app).await, [0, 0, 0]);
}
