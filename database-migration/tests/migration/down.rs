//! Going back never takes rows with it unless somebody says so.

use database_migration::{Back, Error, Migration};
use test_support::TestDatabase;

use crate::own::{self, NEXT};
use crate::program::{NEWEST, run, start};

const ORDER: &str = "INSERT INTO orders (id, api_key_id, subtotal, discount, total)
    VALUES (gen_random_uuid(), gen_random_uuid(), 10, 0, 10)";

const VERSION: &str = "SELECT max(version) FROM schema_migrations";

fn note() -> Migration {
    own::migration(
        NEXT,
        "yes",
        "ALTER TABLE orders ADD COLUMN note text, ADD COLUMN weight int;",
        "ALTER TABLE orders DROP COLUMN note, DROP COLUMN weight;",
    )
}

#[tokio::test]
async fn a_table_with_rows_is_not_dropped_and_nothing_is_taken_back() {
    let database = TestDatabase::migrated().await;
    database.execute(ORDER).await;

    let output = run(&database, &["down", "--to", "1"]).await;

    assert_eq!(output.code, Some(2), "{}", output.stderr);
    let last = output.stderr.lines().last().unwrap();
    for part in [
        "going back to version 1 would drop what holds rows: table orders; nothing was changed",
        "repeat with --allow-destructive",
    ] {
        assert!(last.contains(part), "{part}: {last}");
    }
    assert_eq!(database.value(VERSION).await, NEWEST.to_string());
    assert_eq!(database.value("SELECT count(*) FROM orders").await, "1");
    let record = "SELECT exit_code FROM bootstrap_runs WHERE command = 'down' AND outcome = 'failed'";
    assert_eq!(database.value(record).await, "2");
}

#[tokio::test]
async fn a_table_with_rows_is_dropped_when_that_is_asked_for_and_said() {
    let database = TestDatabase::migrated().await;
    database.execute(ORDER).await;

    let output = run(&database, &["down", "--to", "1", "--allow-destructive"]).await;

    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(
        output.stderr.contains("Dropping what holds rows: table orders"),
        "{}",
        output.stderr
    );
    assert_eq!(database.value(VERSION).await, "1");
    assert_eq!(database.value("SELECT to_regclass('orders') IS NULL").await, "t");
}

#[tokio::test]
async fn a_schema_without_rows_can_be_taken_back_to_nothing() {
    let database = TestDatabase::migrated().await;

    let output = run(&database, &["down", "--to", "0"]).await;

    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_eq!(
        database.value("SELECT count(*) FROM schema_migrations").await,
        "0"
    );
}

#[tokio::test]
async fn a_step_back_that_drops_nothing_with_rows_needs_no_leave() {
    let database = TestDatabase::empty().await;
    run(&database, &["up", "--to", "4"]).await;
    database.execute(ORDER).await;

    let output = run(&database, &["down", "--steps", "1"]).await;

    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_eq!(database.value(VERSION).await, "3");
}

#[tokio::test]
async fn a_column_with_values_is_not_dropped_and_an_empty_one_is() {
    let database = TestDatabase::migrated().await;
    let migrator = own::migrator(&database, &[note()]);
    migrator.up(None).await.unwrap();
    database.execute(ORDER).await;
    database.execute("UPDATE orders SET note = 'ring twice'").await;

    let error = migrator.down(Back::Steps(1)).await.unwrap_err();

    let said = format!(
        "going back to version {NEWEST} would drop what holds rows: column orders.note; nothing was changed"
    );
    assert_eq!(error.to_string(), said);
    assert_eq!(database.value("SELECT note FROM orders").await, "ring twice");

    database.execute("UPDATE orders SET note = NULL").await;
    migrator.down(Back::Steps(1)).await.unwrap();
    assert_eq!(database.value(VERSION).await, NEWEST.to_string());
    assert_eq!(database.value("SELECT count(*) FROM orders").await, "1");
}

/// Version 1 makes a table, version 2 another; taking 2 back brings a row into the first.
#[tokio::test]
async fn rows_that_come_in_during_the_run_are_kept_too() {
    let database = TestDatabase::empty().await;
    let migrations = [
        own::migration(1, "yes", "CREATE TABLE a (x int);", "DROP TABLE a;"),
        own::migration(
            2,
            "yes",
            "CREATE TABLE b (x int);",
            "DROP TABLE b; INSERT INTO a VALUES (1);",
        ),
    ];
    let migrator = own::migrator(&database, &migrations);
    migrator.up(None).await.unwrap();

    let error = migrator.down(Back::To(0)).await.unwrap_err();

    assert!(
        matches!(&error, Error::HoldsRows { to: 0, losses } if losses.len() == 1),
        "{error}"
    );
    assert_eq!(database.value(VERSION).await, "1");
    assert_eq!(database.value("SELECT count(*) FROM a").await, "1");
}

#[tokio::test]
async fn tables_dropped_without_a_transaction_are_guarded_too() {
    let database = TestDatabase::empty().await;
    let migrations = [own::migration(
        1,
        "none",
        "CREATE TABLE a (x int);\nCREATE INDEX CONCURRENTLY a_x_idx ON a (x);\nVACUUM a;",
        "DROP INDEX CONCURRENTLY a_x_idx;\nDROP TABLE a;",
    )];
    let migrator = own::migrator(&database, &migrations);
    migrator.up(None).await.unwrap();
    database.execute("INSERT INTO a VALUES (1)").await;

    let error = migrator.down(Back::To(0)).await.unwrap_err();

    assert!(matches!(error, Error::HoldsRows { .. }), "{error}");
    assert_eq!(database.value("SELECT count(*) FROM a").await, "1");
    assert_eq!(database.value("SELECT to_regclass('a_x_idx') IS NULL").await, "f");
    database.execute("DELETE FROM a").await;
    migrator.down(Back::To(0)).await.unwrap();
    assert_eq!(database.value("SELECT to_regclass('a') IS NULL").await, "t");
}

#[tokio::test]
async fn what_would_be_dropped_is_found_out_without_touching_a_table_in_use() {
    let database = TestDatabase::migrated().await;
    database.execute(ORDER).await;
    let writer = database.client().await;
    writer
        .batch_execute("BEGIN; LOCK TABLE orders IN ROW EXCLUSIVE MODE")
        .await
        .unwrap();

    let output = run(&database, &["down", "--to", "1", "--lock-timeout", "0"]).await;

    assert_eq!(output.code, Some(2), "{}", output.stderr);
    let left = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'rehearsal%'";
    assert_eq!(database.value(left).await, "0");
}

#[tokio::test]
async fn copies_that_take_a_step_back_at_once_take_one_step() {
    let database = TestDatabase::migrated().await;
    let holder = database.client().await;
    holder
        .query("SELECT pg_advisory_lock($1)", &[&database::locks::MIGRATION])
        .await
        .unwrap();

    let mut copies: Vec<_> = (0..3)
        .map(|_| start(&database, &["down", "--steps", "1"]))
        .collect();
    for copy in &mut copies {
        copy.wait_for_text("Waiting: the migration lock is held by").await;
    }
    drop(holder);

    for copy in copies {
        let output = copy.wait_output().await;
        assert_eq!(output.code, Some(0), "{}", output.stderr);
    }
    assert_eq!(database.value(VERSION).await, (NEWEST - 1).to_string());
}

#[tokio::test]
async fn a_column_that_cannot_be_looked_through_in_2_seconds_is_not_dropped_unless_asked_for() {
    let database = TestDatabase::migrated().await;
    let weight = own::migration(
        NEXT,
        "yes",
        "ALTER TABLE orders ADD COLUMN weight int;",
        "ALTER TABLE orders DROP COLUMN weight;",
    );
    let mut migrator = own::migrator(&database, &[weight]);
    migrator.up(None).await.unwrap();
    database.execute(ORDER).await;
    database.execute("UPDATE orders SET weight = 5").await;
    // Looks for 2.2 s at the only row, and does not show it.
    let slow = "ALTER TABLE orders ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
        CREATE POLICY slow ON orders USING (pg_sleep(2.2) IS NULL)";
    let quick = "DROP POLICY slow ON orders; ALTER TABLE orders DISABLE ROW LEVEL SECURITY";
    database.execute(slow).await;

    let error = migrator.down(Back::Steps(1)).await.unwrap_err();

    assert!(
        matches!(&error, Error::HoldsRows { to: NEWEST, losses } if losses.len() == 1),
        "{error}"
    );
    assert_eq!(database.value(VERSION).await, NEXT.to_string());
    database.execute(quick).await;
    migrator.allow_destructive = true;
    migrator.down(Back::Steps(1)).await.unwrap();
    assert_eq!(database.value(VERSION).await, NEWEST.to_string());
}
