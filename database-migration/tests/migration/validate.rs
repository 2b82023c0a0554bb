//! `validate` finds what was edited, in files or by hand; `repair` accepts files.

use test_support::{TestDatabase, eventually};

use crate::own;
use crate::program::{EDIT, NEWEST, migration_lock, run, start};

async fn sums(database: &TestDatabase) -> Vec<Vec<String>> {
    database
        .rows("SELECT version, name, up_sha256, down_sha256 FROM migration_details ORDER BY version")
        .await
}

#[tokio::test]
async fn a_schema_as_the_migrations_make_it_is_valid_and_stays_as_it_is() {
    for version in [2, NEWEST] {
        let database = TestDatabase::empty().await;
        run(&database, &["up", "--to", &version.to_string()]).await;
        let before = sums(&database).await;

        let output = run(&database, &["validate"]).await;

        assert_eq!(
            output.code,
            Some(0),
            "{version}: {}{}",
            output.stdout,
            output.stderr
        );
        output.assert_stdout("tables as the migrations make them");
        assert_eq!(sums(&database).await, before);
        let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'scratch%'";
        assert_eq!(database.value(schemas).await, "0");
    }
}

/// A line for each: a change by hand, and what is said of it.
const CHANGES: &str = include_str!("schema_changes.jsonl");

#[tokio::test]
async fn every_change_by_hand_is_named_and_ends_with_5() {
    let changes: Vec<[String; 2]> = CHANGES
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let database = TestDatabase::migrated().await;
    for [change, _] in &changes {
        database.execute(change).await;
    }

    let output = run(&database, &["validate"]).await.exits(5);

    for [_, said] in &changes {
        output.assert_stdout(&format!("schema: {said}\n"));
        output.assert_stderr(said);
    }
    assert_eq!(
        output.stdout.matches("schema: ").count(),
        changes.len(),
        "{}",
        output.stdout
    );
}

#[tokio::test]
async fn tables_of_others_in_the_same_schema_are_no_drift() {
    let database = TestDatabase::migrated().await;
    database
        .execute("CREATE TABLE theirs (a int); CREATE VIEW shown AS SELECT id FROM orders")
        .await;

    run(&database, &["validate"]).await.exits(0);
}

#[tokio::test]
async fn a_role_that_may_make_no_schema_validates_and_goes_back_too() {
    let database = TestDatabase::empty().await;
    run(&database, &["up"]).await.exits(0);
    let own = format!("REVOKE CREATE ON DATABASE {} FROM CURRENT_USER", database.name());
    database.execute(&own).await;

    let output = run(&database, &["validate"]).await.exits(0);
    output.assert_stdout("tables as the migrations make them");
    database.execute("DROP TABLE coupon_codes").await;
    run(&database, &["validate"]).await.exits(5);
    run(&database, &["down", "--steps", "1", "--allow-destructive"])
        .await
        .exits(0);
}

#[tokio::test]
async fn a_database_that_cannot_be_written_is_checked_by_its_ledger_alone() {
    let database = TestDatabase::migrated().await;
    let read_only = format!(
        "ALTER DATABASE {} SET default_transaction_read_only = on",
        database.name()
    );
    database.execute(&read_only).await;

    let output = run(&database, &["validate"]).await.exits(0);

    output.assert_stdout("not compared");
}

#[tokio::test]
async fn repair_accepts_edited_files_says_what_it_changed_and_records_it() {
    let database = TestDatabase::migrated().await;
    let original = sums(&database).await;
    let here = database
        .value("SELECT encode(up_sha256, 'hex') FROM migration_details WHERE version = '0002'")
        .await;
    database.execute(EDIT).await;
    database
        .execute("UPDATE migration_details SET down_sha256 = sha256('edited') WHERE version = '0003'")
        .await;
    let there = database.value("SELECT encode(sha256('edited'), 'hex')").await;
    let validation = run(&database, &["validate"]).await.exits(5);
    for file in ["0002_orders/up.sql", "0003_datasets/down.sql"] {
        assert!(
            validation.stdout.contains(file),
            "all are named: {}",
            validation.stdout
        );
    }

    let output = run(&database, &["repair"]).await.exits(0);

    let change = format!("0002_orders/up.sql: SHA-256 {there} is now {here}");
    output.assert_stderr(&change);
    output.assert_stderr("0003_datasets/down.sql: SHA-256");
    assert!(
        output.stderr.lines().last().unwrap().contains("outcome changed"),
        "{}",
        output.stderr
    );
    assert_eq!(sums(&database).await, original);
    let record = "SELECT outcome, exit_code, position('0002_orders/up.sql: SHA-256' IN message) FROM bootstrap_runs WHERE command = 'repair'";
    assert_eq!(database.value(record).await, "changed|0|1");
    run(&database, &[]).await.exits(0);

    let again = run(&database, &["repair"]).await;
    again.assert_stderr("outcome unchanged");
}

#[tokio::test]
async fn repair_takes_a_renamed_file_for_the_applied_one_only_if_its_text_is_the_same() {
    let database = TestDatabase::migrated().await;
    let original = sums(&database).await;
    let rename = "UPDATE migration_details SET name = 'x' WHERE version = '0002'";
    database.execute(rename).await;

    let output = run(&database, &["repair"]).await.exits(0);

    output.assert_stderr("0002_x is now 0002_orders");
    assert_eq!(sums(&database).await, original);

    database.execute(rename).await;
    database.execute(EDIT).await;
    let strange = sums(&database).await;
    let output = run(&database, &["repair"]).await.exits(5);
    output.assert_stderr("version 2 is x there and orders here");
    assert_eq!(sums(&database).await, strange);
}

#[tokio::test]
async fn repair_invents_no_missing_row_and_leaves_newer_ledgers_alone() {
    let damages = [
        (
            "DELETE FROM __diesel_schema_migrations WHERE version = '0002'".to_owned(),
            5,
        ),
        (own::later(1), 7),
    ];
    for (damage, code) in damages {
        let database = TestDatabase::migrated().await;
        database.execute(&damage).await;
        let before = sums(&database).await;

        let output = run(&database, &["repair"]).await;

        assert_eq!(output.code, Some(code), "{damage}: {}", output.stderr);
        assert_eq!(sums(&database).await, before);
    }
}

#[tokio::test]
async fn repair_waits_for_a_migrator_that_runs() {
    let database = TestDatabase::migrated().await;
    database.execute(EDIT).await;
    let holder = migration_lock(&database).await;

    let mut repair = start(&database, &["repair"]);
    repair
        .wait_for_text("Waiting: the migration lock is held by")
        .await;
    drop(holder);

    repair.wait_output().await.exits(0);
    eventually("the ledger is repaired", async || {
        run(&database, &["validate"]).await.code == Some(0)
    })
    .await;
    run(&database, &["up"]).await.exits(0);
}

#[tokio::test]
async fn an_empty_database_is_valid() {
    let database = TestDatabase::empty().await;

    let output = run(&database, &["validate"]).await.exits(0);

    output.assert_stdout("version 0 of");
}
