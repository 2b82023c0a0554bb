//! A database of the build before diesel's format: its ledger is taken over, and kept in step for
//! it.

use database_migration::embedded;
use test_support::TestDatabase;

use crate::program::{NEWEST, ORDER, run};

/// The ledger as that build wrote it: `pg_dump --table schema_migrations --inserts`, shortened.
const LEDGER: &str = include_str!("earlier_ledger.sql");

/// What that build compares with its files, and what it counts as applied.
const CHECKED: &str = "SELECT version, name, encode(up_sha256, 'hex'), encode(down_sha256, 'hex'),
    min_compatible_schema FROM schema_migrations ORDER BY version";

/// The statements of the four migrations have not changed since; their comments have.
async fn earlier() -> TestDatabase {
    let database = TestDatabase::empty().await;
    for migration in embedded().unwrap().iter().take(4) {
        database.execute(&migration.up).await;
    }
    database.execute(LEDGER).await;
    database.execute(ORDER).await;
    database
}

#[tokio::test]
async fn a_database_of_the_build_before_is_taken_over_with_its_data() {
    let database = earlier().await;
    let before = database.rows(CHECKED).await;
    let status = run(&database, &["status", "--exit-code"]).await;
    assert_eq!(
        status.code,
        Some(if NEWEST == 4 { 0 } else { 8 }),
        "{}",
        status.stdout
    );
    run(&database, &["validate"]).await.exits(0);

    let output = run(&database, &["up"]).await.exits(0);

    output.assert_stderr("took over the ledger of an earlier build");
    let versions = "SELECT count(*), max(version) FROM __diesel_schema_migrations
        JOIN migration_details USING (version)";
    assert_eq!(database.value(versions).await, format!("{NEWEST}|{NEWEST:04}"));
    let kept = "SELECT to_char(run_on, 'YYYY-MM-DD HH24:MI'), duration_ms, build
        FROM __diesel_schema_migrations JOIN migration_details USING (version) WHERE version = '0001'";
    assert_eq!(database.value(kept).await, "2026-01-02 03:04|12|0.1.0");
    run(&database, &["validate"]).await.exits(0);
    assert_eq!(database.rows(CHECKED).await[..4], before);
    assert_eq!(database.value("SELECT count(*) FROM orders").await, "1");
    let again = run(&database, &["up"]).await;
    assert!(!again.stderr.contains("took over"), "{}", again.stderr);
}

#[tokio::test]
async fn the_build_before_goes_on_finding_what_it_wrote() {
    let (database, fresh) = (earlier().await, TestDatabase::migrated().await);
    let before = database.rows(CHECKED).await;
    run(&database, &["up"]).await;

    for arguments in [&["down", "--to", "2", "--allow-destructive"] as &[&str], &["up"]] {
        run(&database, arguments).await.exits(0);
        let left = database.rows(CHECKED).await;
        assert_eq!(left[..2], before[..2]);
    }

    assert_eq!(database.rows(CHECKED).await[..4], before);
    assert_eq!(fresh.rows(CHECKED).await[..4], before);
}

#[tokio::test]
async fn an_edited_ledger_is_refused_with_5_until_repair_accepts_it() {
    let database = earlier().await;
    let before = database.rows(CHECKED).await;
    database
        .execute("UPDATE schema_migrations SET up_sha256 = sha256('edited') WHERE version = 2")
        .await;

    let output = run(&database, &["up"]).await.exits(5);

    let edited = database.value("SELECT encode(sha256('edited'), 'hex')").await;
    for part in [
        "0002_orders/up.sql was edited after it was applied",
        &edited,
        &before[1][2],
    ] {
        output.assert_last_line(part);
    }
    let untouched = "SELECT to_regclass('migration_details') IS NULL";
    assert_eq!(database.value(untouched).await, "t");

    run(&database, &["repair"]).await.exits(0);
    run(&database, &["up"]).await.exits(0);
    run(&database, &["validate"]).await.exits(0);
    assert_eq!(database.rows(CHECKED).await[..4], before);
}
