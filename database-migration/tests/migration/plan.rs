//! `plan` says what would be done, and does nothing of it.

use serde_json::Value;
use test_support::TestDatabase;

use crate::program::{EDIT, NEWEST, VERSION, run};

const PLACES: &str = "SELECT ctid, xmin, version FROM __diesel_schema_migrations ORDER BY version";

#[tokio::test]
async fn the_plan_names_the_files_that_up_would_run_and_why() {
    let database = TestDatabase::empty().await;
    run(&database, &["up", "--to", "2"]).await;
    let before = database.rows(PLACES).await;

    let output = run(&database, &["plan", "--to", "4", "--sql"]).await.exits(0);

    for part in [
        "version 2 of",
        "database-migration up --to 4 would run",
        "Step 1 of 2: createTables 0003_datasets/up.sql, in one transaction",
        "Which data are active",
        "Step 2 of 2: createIndexes 0004_look_ups/up.sql",
        "builds from version 1 on work with it",
        "CREATE INDEX orders_api_key_id_id_idx",
    ] {
        output.assert_stdout(part);
    }
    assert_eq!(database.rows(PLACES).await, before);
}

#[tokio::test]
async fn an_empty_plan_says_that_there_is_nothing_to_do() {
    let database = TestDatabase::migrated().await;

    let output = run(&database, &["plan"]).await.exits(0);

    output.assert_stdout("nothing to do");
}

#[tokio::test]
async fn the_plan_of_a_way_back_says_what_is_dropped_and_that_down_refuses_it() {
    let database = TestDatabase::migrated().await;

    let text = run(&database, &["plan", "--to", "1"]).await;
    let json = run(&database, &["plan", "--to", "1", "--json"]).await;

    text.assert_stdout("database-migration down --to 1 would run");
    let refused = "drops table idempotency_keys, table order_items, table orders: refused without --allow-destructive\n";
    text.assert_stdout(refused);
    let plan: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(plan["direction"], "down");
    let steps = plan["steps"].as_array().unwrap();
    assert_eq!(steps.len(), usize::try_from(NEWEST - 1).unwrap());
    let orders = steps.last().unwrap();
    let table = |name: &str| serde_json::json!({ "table": name, "column": null });
    assert_eq!(orders["file"], "0002_orders/down.sql");
    assert_eq!(
        orders["drops"],
        serde_json::json!([table("idempotency_keys"), table("order_items"), table("orders")])
    );
    assert_eq!(database.value(VERSION).await, NEWEST.to_string());
}

#[tokio::test]
async fn what_would_stop_up_stops_the_plan_with_the_same_code() {
    let database = TestDatabase::migrated().await;
    database.execute(EDIT).await;

    run(&database, &["plan"]).await.exits(5);
    run(&database, &["plan", "--to", "99"]).await.exits(2);
}
