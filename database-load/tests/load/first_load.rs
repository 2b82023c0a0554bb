//! The first load of a migrated, empty database.

use database_load::Outcome;
use test_support::TestDatabase;

use crate::fixture::{Data, outcomes};

#[tokio::test]
async fn the_first_load_brings_everything_of_the_default_profile() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());

    let summary = data.load(&database).await;

    assert_eq!(summary.profiles[0].outcome, Outcome::Changed);
    for (table, count) in [
        ("products", "10"),
        ("users", "2"),
        ("api_keys", "3"),
        ("promotions", "11"),
        ("orders", "3"),
    ] {
        assert_eq!(
            database.value(&format!("SELECT count(*) FROM {table}")).await,
            count,
            "{table}"
        );
    }
    let first = "SELECT name, price, category, image, available FROM products WHERE id = 1";
    assert_eq!(database.value(first).await, "Chicken Waffle|12.99|Waffle|∅|t");
    let scopes = database
        .rows("SELECT scopes, revoked_at, active FROM api_keys ORDER BY id")
        .await;
    assert_eq!(
        scopes,
        [
            ["{create_order,read_orders}", "∅", "t"],
            [
                "{read_all_orders,view_reports,manage_orders,view_operations,operate}",
                "∅",
                "t"
            ],
            ["{create_order}", "∅", "t"],
        ]
    );
    assert_eq!(outcomes(&database).await, ["changed"]);
}

#[tokio::test]
async fn codes_that_stand_in_two_files_are_valid_and_no_others() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());

    data.load(&database).await;

    let codes = database
        .rows("SELECT code FROM coupon_codes JOIN dataset_versions USING (version) WHERE state = 'active' ORDER BY 1")
        .await;
    let codes: Vec<&str> = codes.iter().map(|row| row[0].as_str()).collect();
    assert!(
        codes.contains(&"HAPPYHRS") && codes.contains(&"FIFTYOFF"),
        "{codes:?}"
    );
    assert!(!codes.contains(&"SUPER100"), "{codes:?}");
}

#[tokio::test]
async fn sample_orders_are_priced_and_keep_their_lines_in_order() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());

    data.load(&database).await;

    let order = "SELECT id, created_at AT TIME ZONE 'UTC', coupon_code, subtotal, discount, total FROM orders ORDER BY id";
    assert_eq!(
        database.rows(order).await[1].join(" "),
        "019440a7-65e0-7000-8000-000000000002 2025-01-07 12:05:00 SAVE10 48.96 4.90 44.06"
    );
    let lines = "SELECT line, product_id, product_name, unit_price, quantity FROM order_items
                 WHERE order_id = '019440a7-65e0-7000-8000-000000000002' ORDER BY line";
    let lines: Vec<String> = database
        .rows(lines)
        .await
        .iter()
        .map(|row| row.join(" "))
        .collect();
    assert_eq!(
        lines,
        [
            "1 7 Margherita Pizza 13.99 1",
            "2 8 Pepperoni Pizza 15.99 1",
            "3 6 Greek Salad 9.49 2"
        ]
    );
}

#[tokio::test]
async fn keys_are_stored_as_hashes_and_nowhere_else() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());

    data.load(&database).await;

    let keys = shop::HashKeys::parse(None, false).unwrap();
    let hash = |key: &str| hex::encode(keys.writer().hash(key.as_bytes()).0);
    let storefront = 0x018f_4e5a_0000_7000_8000_0000_0000_00c0;
    let without_key = hex::encode(keys.writer().hash_without_key(storefront).0);
    let rows = "SELECT encode(key_hash, 'hex') FROM api_keys ORDER BY id";
    assert_eq!(
        database.rows(rows).await,
        [[hash("apitest")], [hash("stafftest")], [without_key]]
    );
    let plain = "SELECT count(*) FROM dataset_rows WHERE row::text ~ 'apitest|stafftest'";
    assert_eq!(database.value(plain).await, "0");
}

#[tokio::test]
async fn a_publication_is_announced_when_it_commits() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    let mut listener = database
        .database()
        .listen(database::channels::DATASET_PUBLISHED)
        .await
        .unwrap();

    data.load(&database).await;

    listener.next().await.expect("a notification");
    let count = "SELECT count(*) FROM dataset_versions WHERE state = 'active'";
    assert_eq!(database.value(count).await, "1");
}

#[tokio::test]
async fn pictures_are_kept_when_they_are_known() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    data.edit(
        "default/products.csv",
        "12.99,Waffle,,,,",
        "12.99,Waffle,/t.jpg,,,/d.jpg",
    );

    data.load(&database).await;

    let image = database.value("SELECT image FROM products WHERE id = 1").await;
    assert_eq!(image, r#"{"desktop": "/d.jpg", "thumbnail": "/t.jpg"}"#);
}
