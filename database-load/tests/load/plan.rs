//! What a run would do is said row by row, and nothing is written.

use database_load::difference::Column;
use database_load::{LoadOptions, Outcome, ProfilePlan};
use process::failure::ExitCode;
use test_support::TestDatabase;

use crate::fixture::{Data, load_binary, loaded, outcomes, places, refused, run_with};

/// Counts of a table: missing, different, extra.
fn counts(plan: &ProfilePlan, table: &str) -> (u64, u64, u64) {
    let found = plan.tables.iter().find(|found| found.table == table).unwrap();
    (found.missing.count, found.different.count, found.extra.count)
}

#[tokio::test]
async fn a_plan_says_what_the_run_then_does() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    let first = data.plan(&database).await;
    data.load(&database).await;
    data.edit_everything();

    let plan = data.plan(&database).await;
    let summary = data.load(&database).await;

    assert_eq!(first.profiles[0].version, None);
    assert_eq!(counts(&first.profiles[0], "products"), (10, 0, 0));
    assert_eq!(counts(&first.profiles[0], "coupon_codes"), (4, 0, 0));
    let plan = &plan.profiles[0];
    assert_eq!((plan.outcome, plan.version), (Outcome::Changed, Some(1)));
    assert_eq!(counts(plan, "products"), (1, 1, 1));
    for (table, changes) in &summary.profiles[0].changes {
        let done = (changes.added, changes.changed, changes.retired);
        assert_eq!(counts(plan, table), done, "{table}");
    }
    assert_eq!(plan.tables.len(), summary.profiles[0].changes.len());
}

#[tokio::test]
async fn a_plan_names_rows_and_columns_but_no_value_of_keys_and_users() {
    let (database, data) = loaded().await;
    data.edit_everything();

    let plan = data.plan(&database).await;
    let output = load_binary(&database, &data, &["--dry-run"]).await.exits(0);

    let products = &plan.profiles[0]
        .tables
        .iter()
        .find(|table| table.table == "products")
        .unwrap();
    assert_eq!(
        products.different.rows[0].columns,
        [Column {
            column: "price".into(),
            stored: Some("9.99".into()),
            wanted: Some("10.49".into())
        }]
    );
    for line in [
        "  products      +1 ~1 -1\n    + 11\n    ~ 3  price 9.99 → 10.49\n    - 2\n",
        "    ~ SAVE10  value 10.00 → 12.00\n",
        "  coupon_codes  +1 ~0 -1\n    + PIZZA2025\n    - FIFTYOFF\n",
        "  users         +0 ~1 -0\n",
    ] {
        output.assert_stdout(line);
    }
    output.assert_stdout("  email\n");
    assert!(!output.stdout.contains('@'), "{}", output.stdout);
    output.assert_last_line("outcome dry run, would change");
}

#[tokio::test]
async fn a_plan_writes_nothing_locks_nothing_and_needs_no_more_than_to_read() {
    let (database, data) = loaded().await;
    let before = places(&database).await;
    data.edit_everything();
    let blocker = database.client().await;
    // As a running load holds them.
    let lock = format!(
        "BEGIN; LOCK TABLE products, dataset_versions IN SHARE ROW EXCLUSIVE MODE;
         SELECT pg_advisory_lock({}, hashtext('products'))",
        database::locks::LOAD
    );
    blocker.batch_execute(&lock).await.unwrap();
    let read_only = format!(
        "ALTER DATABASE {} SET default_transaction_read_only = on",
        database.name()
    );
    database.execute(&read_only).await;

    load_binary(&database, &data, &["plan", "--lock-timeout", "0"])
        .await
        .exits(0);

    blocker.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(places(&database).await, before);
    assert_eq!(outcomes(&database).await, ["changed"]);
}

#[tokio::test]
async fn a_plan_says_unchanged_and_held_and_what_force_would_do() {
    let (database, data, old) = (TestDatabase::migrated().await, Data::copy(), Data::copy());
    old.load(&database).await;
    data.edit("default/products.csv", "9.99", "10.49");
    data.load(&database).await;

    let unchanged = data.plan(&database).await;
    let held = old.plan(&database).await;
    let options = LoadOptions {
        force: true,
        ..old.options()
    };
    let forced = database_load::plan(&database.database(), &options).await.unwrap();

    assert_eq!(unchanged.profiles[0].outcome, Outcome::Unchanged);
    assert_eq!(held.profiles[0].outcome, Outcome::Held);
    assert_eq!(counts(&forced.profiles[0], "products"), (0, 1, 0));
    assert_eq!(outcomes(&database).await, ["changed", "changed"]);
}

#[tokio::test]
async fn a_plan_fails_as_the_run_would_and_records_nothing() {
    let (database, data) = loaded().await;
    data.write(
        "default/products.csv",
        "id,name,price,category\n1,One,1.00,Food\n",
    );
    data.write("default/orders.jsonl", "");

    let failure = database_load::plan(&database.database(), &data.options())
        .await
        .unwrap_err();
    data.write("default/products.csv", "id,name,price,category\n1,One,-1,Food\n");
    let output = run_with(&database, &data, &["plan", "--json"], &[])
        .await
        .exits(10);

    refused(&failure, ExitCode::InvalidData, "from 10 to 1 rows");
    output.assert_stdout("\"exit_code\": 10");
    assert_eq!(outcomes(&database).await, ["changed"]);
}

#[tokio::test]
async fn of_two_profiles_with_the_same_dataset_the_last_one_is_planned() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    data.add_drinks("1");

    let output = load_binary(&database, &data, &["plan", "-p", "default", "-p", "drinks"])
        .await
        .exits(0);

    assert_eq!(
        output.stdout.matches("promotions ").count(),
        1,
        "{}",
        output.stdout
    );
    output.assert_stdout("+ SPRITZ");
}
