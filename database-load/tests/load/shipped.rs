//! The profiles that are shipped, and the example for those who bring their own.

use std::path::{Path, PathBuf};

use database_load::{LoadOptions, Outcome, Summary};
use test_support::{Process, TestDatabase};

use crate::fixture::{SHIPPED, places, run_options};

#[path = "../../examples/demo/orders.rs"]
mod orders;

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

async fn load(database: &TestDatabase, profile: PathBuf, production: bool) -> Summary {
    let options = LoadOptions {
        production,
        run_options: run_options(),
        ..LoadOptions::development(vec![profile]).unwrap()
    };
    database_load::run(&database.database(), &options)
        .await
        .unwrap_or_else(|failure| panic!("{}", failure.line()))
}

fn shipped(profile: &str) -> PathBuf {
    Path::new(SHIPPED).join(profile)
}

#[test]
fn the_orders_of_demo_are_what_the_generator_writes() {
    let products = std::fs::read_to_string(shipped("demo/products.csv")).unwrap();
    let committed = std::fs::File::open(shipped("demo/orders.jsonl.gz")).unwrap();
    let committed = std::io::read_to_string(flate2::read::GzDecoder::new(committed)).unwrap();

    // Not assert_eq: two megabytes would be shown.
    assert!(
        committed == orders::lines(&products),
        "orders.jsonl.gz differs: cargo run -p database-load --example demo"
    );
}

#[tokio::test]
async fn demo_is_a_whole_shop_and_loading_it_again_touches_no_row() {
    let database = TestDatabase::migrated().await;

    load(&database, shipped("demo.toml"), false).await;

    for (query, count) in [
        ("SELECT count(*) FROM products WHERE available", "200"),
        ("SELECT count(DISTINCT category) FROM products", "12"),
        ("SELECT count(*) FROM users", "50"),
        ("SELECT count(*) FROM promotions", "40"),
        ("SELECT count(*) FROM orders", "10000"),
        ("SELECT count(DISTINCT created_at::date) FROM orders", "90"),
        (
            "SELECT max(created_at)::date - min(created_at)::date FROM orders",
            "89",
        ),
        ("SELECT count(*) > 1000 FROM orders WHERE discount > 0", "t"),
        (
            "SELECT count(*) FROM orders WHERE total < 0 OR subtotal - discount <> total",
            "0",
        ),
        (
            "SELECT string_agg(status || ' ' || orders, ', ' ORDER BY status)
             FROM (SELECT status, count(*) AS orders FROM order_states GROUP BY status) AS states",
            "cancelled 111, picked_up 12, rejected 143",
        ),
        (
            "SELECT count(*) FROM order_states JOIN orders ON id = order_id
             WHERE (reason IS NULL) <> (order_states.status NOT IN ('rejected', 'cancelled')) OR changed_at <= created_at
                OR version <> (SELECT count(*) + 1 FROM order_events WHERE order_events.order_id = id)
                OR NOT EXISTS (
                    SELECT FROM order_events
                    WHERE order_events.order_id = id AND order_events.version = order_states.version
                        AND to_status = order_states.status AND at = changed_at)",
            "0",
        ),
        (
            "SELECT string_agg(from_status || ' ' || to_status, ', ' ORDER BY version) FROM order_events
             WHERE order_id = (SELECT min(order_id::text)::uuid FROM order_states WHERE status = 'picked_up')",
            "placed accepted, accepted preparing, preparing ready, ready picked_up",
        ),
        (
            "SELECT count(*) FROM products WHERE id = 1 AND name = 'Chicken Waffle' AND price = 12.99",
            "1",
        ),
    ] {
        assert_eq!(database.value(query).await, count, "{query}");
    }
    let before = places(&database).await;
    let again = load(&database, shipped("demo.toml"), false).await;
    assert_eq!(again.profiles[0].outcome, Outcome::Unchanged);
    assert_eq!(places(&database).await, before);
}

#[tokio::test]
async fn minimal_loads_in_production_where_the_others_are_refused() {
    let database = TestDatabase::migrated().await;
    let run = |profile: &'static str| {
        // As typed in a checkout: the folder of the profiles is found from there.
        let script = format!(
            "cd '{REPOSITORY}' && exec '{}' -p {profile}",
            env!("CARGO_BIN_EXE_database-load")
        );
        let environment = [
            ("DATABASE_URL", database.url()),
            ("ENVIRONMENT", "production"),
            ("API_KEY_HASH_KEY", "a secret of this test"),
        ];
        Process::spawn("/bin/sh", ["-c", &script], &environment).wait_output()
    };

    for profile in ["default", "demo"] {
        let refused = run(profile).await;
        assert_eq!(refused.code, Some(2), "{profile}: {}", refused.stderr);
        refused.assert_stderr("is marked `development`");
    }
    assert_eq!(database.value("SELECT count(*) FROM products").await, "0");
    run("minimal").await.exits(0);

    let count = "SELECT count(*) FROM products WHERE available";
    assert_eq!(database.value(count).await, "10");
    for table in ["users", "api_keys", "promotions", "orders"] {
        assert_eq!(
            database.value(&format!("SELECT count(*) FROM {table}")).await,
            "0",
            "{table}"
        );
    }
}

#[tokio::test]
async fn the_example_of_own_data_loads_from_a_mounted_folder() {
    let database = TestDatabase::migrated().await;
    let folder = Path::new(REPOSITORY).join("docs/examples/own-data");
    let environment = [
        ("DATABASE_URL", database.url()),
        ("DATA_DIR", folder.to_str().unwrap()),
    ];

    Process::spawn(env!("CARGO_BIN_EXE_database-load"), ["-p", "shop"], &environment)
        .wait_output()
        .await
        .exits(0);

    for (table, rows) in [
        ("products", "7"),
        ("users", "2"),
        ("api_keys", "2"),
        ("promotions", "3"),
    ] {
        assert_eq!(
            database.value(&format!("SELECT count(*) FROM {table}")).await,
            rows,
            "{table}"
        );
    }
    let window = "SELECT starts_at = '2026-12-23 23:00:00Z' FROM promotions WHERE code = 'XMAS2026'";
    assert_eq!(database.value(window).await, "t");
    // Its keys are placeholders.
    let refused = [
        environment.as_slice(),
        &[
            ("ENVIRONMENT", "production"),
            ("API_KEY_HASH_KEY", "a secret of this test"),
        ],
    ]
    .concat();
    Process::spawn(
        env!("CARGO_BIN_EXE_database-load"),
        ["-p", "shop", "--force"],
        &refused,
    )
    .wait_output()
    .await
    .exits(2);
}
