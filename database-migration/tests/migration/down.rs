//! `down` drops tables and columns only with `--allow-destructive`.

use database_migration::{Back, Error};
use test_support::TestDatabase;

use crate::own::{self, NEXT};
use crate::program::{NEWEST, ORDER, VERSION, migration_lock, run, start};

#[tokio::test]
async fn a_table_is_not_dropped_unasked_and_nothing_is_reverted_or_locked() {
    let database = TestDatabase::migrated().await;
    database.execute(ORDER).await;
    let lock = "BEGIN; LOCK TABLE orders IN ROW EXCLUSIVE MODE";
    let _writer = database.session(lock).await;

    let output = run(&database, &["down", "--to", "1", "--lock-timeout", "0"])
        .await
        .exits(2);

    for part in [
        "going back to version 1 would drop ",
        ", column orders.changed_xid, ",
        ", table dataset_rows, table dataset_versions, table bootstrap_runs, ",
        "table orders; nothing was changed",
        "repeat with --allow-destructive",
    ] {
        output.assert_last_line(part);
    }
    assert_eq!(database.value(VERSION).await, NEWEST.to_string());
    assert_eq!(database.value("SELECT count(*) FROM orders").await, "1");
    let record = "SELECT exit_code FROM bootstrap_runs WHERE command = 'down' AND outcome = 'failed'";
    assert_eq!(database.value(record).await, "2");
}

#[tokio::test]
async fn a_table_is_dropped_when_that_is_asked_for_and_said() {
    let database = TestDatabase::migrated().await;
    database.execute(ORDER).await;

    let output = run(&database, &["down", "--to", "1", "--allow-destructive"])
        .await
        .exits(0);

    assert!(
        output.stderr.contains("Dropping ") && output.stderr.contains(", table dataset_rows"),
        "{}",
        output.stderr
    );
    assert_eq!(database.value(VERSION).await, "1");
    assert_eq!(database.value("SELECT to_regclass('orders') IS NULL").await, "t");
}

#[tokio::test]
async fn a_step_back_that_drops_no_table_or_column_needs_no_flag() {
    let database = TestDatabase::empty().await;
    run(&database, &["up", "--to", "4"]).await;
    database.execute(ORDER).await;

    run(&database, &["down", "--steps", "1"]).await.exits(0);

    assert_eq!(database.value(VERSION).await, "3");
}

#[tokio::test]
async fn a_column_is_not_dropped_unasked() {
    let database = TestDatabase::migrated().await;
    let note = own::migration(
        NEXT,
        "yes",
        "ALTER TABLE orders ADD COLUMN note text, ADD COLUMN weight int;",
        "ALTER TABLE orders DROP COLUMN note, DROP COLUMN weight;",
    );
    let mut migrator = own::migrator(&database, &[note]);
    migrator.up(None).await.unwrap();

    let error = migrator.down(Back::Steps(1)).await.unwrap_err();

    let said = format!(
        "going back to version {NEWEST} would drop column orders.note, column orders.weight; nothing was changed"
    );
    assert_eq!(error.to_string(), said);
    migrator.allow_destructive = true;
    migrator.down(Back::Steps(1)).await.unwrap();
    assert_eq!(database.value(VERSION).await, NEWEST.to_string());
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
    let mut migrator = own::migrator(&database, &migrations);
    migrator.up(None).await.unwrap();

    let error = migrator.down(Back::To(0)).await.unwrap_err();

    assert!(matches!(error, Error::Destructive { .. }), "{error}");
    assert_eq!(database.value("SELECT to_regclass('a_x_idx') IS NULL").await, "f");
    migrator.allow_destructive = true;
    migrator.down(Back::To(0)).await.unwrap();
    assert_eq!(database.value("SELECT to_regclass('a') IS NULL").await, "t");
}

#[tokio::test]
async fn copies_that_take_a_step_back_at_once_take_one_step() {
    let database = TestDatabase::migrated().await;
    let holder = migration_lock(&database).await;

    let mut copies: Vec<_> = (0..3)
        .map(|_| start(&database, &["down", "--steps", "1", "--allow-destructive"]))
        .collect();
    for copy in &mut copies {
        copy.wait_for_text("Waiting: the migration lock is held by").await;
    }
    drop(holder);

    for copy in copies {
        copy.wait_output().await.exits(0);
    }
    assert_eq!(database.value(VERSION).await, (NEWEST - 1).to_string());
}
