//! Loads after the first: only what changed is written.

use std::time::{Duration, Instant};

use database_load::{Changes, Outcome};
use process::failure::ExitCode;
use test_support::TestDatabase;

use crate::fixture::{Data, PRICE_OF_3, load_binary, loaded, outcomes, places, refused};

#[tokio::test]
async fn a_second_load_touches_no_row_and_is_recorded() {
    let (database, data) = loaded().await;
    let before = places(&database).await;

    let summary = data.load(&database).await;

    assert_eq!(summary.profiles[0].outcome, Outcome::Unchanged);
    assert_eq!(places(&database).await, before);
    assert_eq!(outcomes(&database).await, ["changed", "unchanged"]);
}

#[tokio::test]
async fn the_fast_path_is_fast_and_names_its_run() {
    let (database, data) = loaded().await;

    let started = Instant::now();
    let output = load_binary(&database, &data, &[]).await.exits(0);

    // A figure would belong into a benchmark; this only shows that nothing was read and staged
    // again.
    assert!(started.elapsed() < Duration::from_secs(5));
    let run = database
        .value("SELECT id FROM bootstrap_runs WHERE outcome = 'unchanged'")
        .await;
    assert!(
        output.stderr.contains(&run) && output.stderr.contains("unchanged"),
        "{}",
        output.stderr
    );
}

#[tokio::test]
async fn a_changed_price_writes_exactly_one_product_row() {
    let (database, data) = loaded().await;
    let rows = "SELECT id, ctid, xmin, xmax FROM products WHERE id <> 3 ORDER BY id";
    let before = database.rows(rows).await;
    data.edit("default/products.csv", "9.99", "10.49");

    let summary = data.load(&database).await;

    assert_eq!(database.value(PRICE_OF_3).await, "10.49");
    assert_eq!(database.rows(rows).await, before);
    let (_, products) = summary.profiles[0]
        .changes
        .iter()
        .find(|(table, _)| *table == "products")
        .unwrap();
    assert_eq!(
        *products,
        Changes {
            added: 0,
            changed: 1,
            retired: 0
        }
    );
    let recorded =
        "SELECT rows_added, rows_changed, rows_retired FROM bootstrap_runs ORDER BY started_at DESC LIMIT 1";
    assert_eq!(database.value(recorded).await, "0|1|0");
}

#[tokio::test]
async fn a_product_that_left_becomes_unavailable_and_one_that_returns_available() {
    let (database, data) = loaded().await;

    data.edit("default/products.csv", "2,Belgian Waffle,10.99,Waffle,,,,\n", "");
    data.load(&database).await;
    let query = "SELECT name, available FROM products WHERE id = 2";
    assert_eq!(database.value(query).await, "Belgian Waffle|f");

    data.edit(
        "default/products.csv",
        "10,Veggie",
        "2,Belgian Waffle,11.99,Waffle,,,,\n10,Veggie",
    );
    data.load(&database).await;
    let query = "SELECT price, available FROM products WHERE id = 2";
    assert_eq!(database.value(query).await, "11.99|t");
}

#[tokio::test]
async fn what_was_active_before_is_not_brought_back_unless_forced() {
    let (database, old, new) = (TestDatabase::migrated().await, Data::copy(), Data::copy());
    new.edit("default/products.csv", "9.99", "10.49");
    old.load(&database).await;
    new.load(&database).await;
    let before = places(&database).await;

    let summary = old.load(&database).await;

    assert_eq!(summary.profiles[0].outcome, Outcome::Held);
    assert_eq!(places(&database).await, before);
    assert_eq!(outcomes(&database).await, ["changed", "changed", "held"]);
    assert_eq!(old.force(&database).await.profiles[0].outcome, Outcome::Changed);
    assert_eq!(database.value(PRICE_OF_3).await, "9.99");
}

#[tokio::test]
async fn a_lower_version_is_held() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    data.edit("default.toml", "description", "version = 7\ndescription");
    data.load(&database).await;
    data.edit("default.toml", "version = 7", "version = 6");
    data.edit("default/products.csv", "9.99", "10.49");

    let summary = data.load(&database).await;

    assert_eq!(summary.profiles[0].outcome, Outcome::Held);
    assert_eq!(database.value(PRICE_OF_3).await, "9.99");
}

#[tokio::test]
async fn shrinking_by_more_than_a_fifth_needs_force() {
    let (database, data) = loaded().await;
    let before = places(&database).await;
    for gone in [
        "2,Belgian Waffle,10.99,Waffle,,,,\n",
        "4,Chocolate Pancakes,11.99,Pancakes,,,,\n",
        "8,Pepperoni Pizza",
    ] {
        data.edit(
            "default/products.csv",
            gone,
            if gone.ends_with('\n') {
                ""
            } else {
                "11,Other Pizza"
            },
        );
    }
    data.edit("default/products.csv", "11,Other Pizza,15.99,Pizza,,,,\n", "");
    data.edit("default/orders.jsonl", r#"{"product": "8", "quantity": 1}, "#, "");

    let failure = data.try_load(&database).await.unwrap_err();

    refused(&failure, ExitCode::InvalidData, "from 10 to 7 rows");
    assert_eq!(places(&database).await, before);
    data.force(&database).await;
    let count = "SELECT count(*) FROM products WHERE available";
    assert_eq!(database.value(count).await, "7");
}

#[tokio::test]
async fn forcing_repairs_what_was_changed_by_hand() {
    let (database, data) = loaded().await;
    database
        .execute("UPDATE products SET price = 1 WHERE id = 1")
        .await;

    data.force(&database).await;

    assert_eq!(
        database.value("SELECT price FROM products WHERE id = 1").await,
        "12.99"
    );
}

#[tokio::test]
async fn a_batch_with_a_repeated_line_loses_none_of_its_codes() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    let many: String = (0..50_000).map(|number| format!("C{number:08}\n")).collect();
    data.write("default/coupons1.txt", format!("{many}C00000001\n"));
    data.write("default/coupons2.txt", many);

    data.load(&database).await;

    assert_eq!(database.value("SELECT count(*) FROM coupon_codes").await, "50000");
}

#[tokio::test]
async fn a_reload_that_adds_rows_adds_them() {
    let (database, data) = loaded().await;
    data.edit(
        "default/products.csv",
        "10,Veggie",
        "11,Lemonade,3.50,Drinks,,,,\n10,Veggie",
    );
    data.edit("default/coupons1.txt", "HAPPYHRS", "HAPPYHRS\nPANCAKES1");

    data.load(&database).await;

    assert_eq!(
        database.value("SELECT price FROM products WHERE id = 11").await,
        "3.50"
    );
    let codes = "SELECT count(*) FROM coupon_codes JOIN dataset_versions USING (version)
                 WHERE state = 'active' AND code = 'PANCAKES1'";
    assert_eq!(database.value(codes).await, "1");
}

#[tokio::test]
async fn no_table_with_data_is_unlogged() {
    let database = TestDatabase::migrated().await;
    let unlogged = "SELECT count(*) FROM pg_class WHERE relpersistence <> 'p' AND relkind = 'r'";
    assert_eq!(database.value(unlogged).await, "0");
}

#[tokio::test]
async fn keys_that_would_all_become_inactive_need_force() {
    let (database, data) = loaded().await;
    data.edit("default.toml", "api_keys = [\"default/api_keys.json\"]\n", "");
    let orders = "\n[operations.orders]\nneeds = [\"products\", \"users\", \"promotions\"]\nsources = [\"default/orders.jsonl\"]\n";
    data.edit("default.toml", orders, "");
    let active_data = "SELECT count(*) FROM api_keys WHERE active";

    let failure = data.try_load(&database).await.unwrap_err();

    refused(
        &failure,
        ExitCode::InvalidData,
        "api_keys would shrink from 3 to 0",
    );
    assert_eq!(database.value(active_data).await, "3");
    data.force(&database).await;
    assert_eq!(database.value(active_data).await, "0");
}

#[tokio::test]
async fn nothing_at_all_needs_force_on_the_first_load_too() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    data.bring_products("\"default/products.csv\"");
    data.write("default/products.csv", "id,name,price,category\n");

    let failure = data.try_load(&database).await.unwrap_err();

    refused(&failure, ExitCode::InvalidData, "products would be empty");
    assert_eq!(data.force(&database).await.profiles[0].outcome, Outcome::Changed);
}
