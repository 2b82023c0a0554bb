//! A database that is not there, not there yet, or not at the version yet.

use test_support::{OwnCluster, Stop, TestDatabase};

use crate::program::{NEWEST, VERSION, run, start, start_at};

#[tokio::test]
async fn a_database_that_comes_up_late_is_waited_for() {
    let mut cluster = OwnCluster::start();
    cluster.stop(Stop::Fast);

    let mut process = start_at(&cluster.url(), &[]);
    process.wait_for_text("waiting for the database").await;
    cluster.start_again();

    process.wait_output().await.exits(0);
    let ledger = cluster
        .client()
        .await
        .query_one("SELECT count(*) FROM __diesel_schema_migrations", &[])
        .await
        .unwrap();
    assert_eq!(ledger.get::<_, i64>(0), i64::from(NEWEST));
}

#[tokio::test]
async fn a_database_that_goes_away_in_the_middle_ends_with_6_and_keeps_what_was_applied() {
    let mut cluster = OwnCluster::start();
    start_at(&cluster.url(), &["up", "--to", "3"])
        .wait_output()
        .await
        .exits(0);
    let writer = cluster.client().await;
    writer
        .batch_execute("BEGIN; LOCK TABLE orders IN ROW EXCLUSIVE MODE")
        .await
        .unwrap();

    let mut process = start_at(&cluster.url(), &["up", "--to", "4"]);
    process.wait_for_text("Step 1 of 1").await;
    cluster.stop(Stop::Immediate);
    let output = process.wait_output().await.exits(6);
    cluster.start_again();

    let said = "0004_look_ups/up.sql failed; it was rolled back, and what was done before it stays";
    output.assert_stderr(said);
    let ledger = cluster.client().await.query_one(VERSION, &[]).await.unwrap();
    assert_eq!(ledger.get::<_, i32>(0), 3);
}

#[tokio::test]
async fn wait_ends_when_another_process_has_migrated() {
    let database = TestDatabase::empty().await;

    let mut waiting = start(&database, &["wait"]);
    waiting
        .wait_for_text(&format!(
            "Waiting for version {NEWEST}: the database is at version 0"
        ))
        .await;
    run(&database, &["up"]).await.exits(0);

    waiting.wait_output().await.exits(0);
}

#[tokio::test]
async fn wait_for_a_version_that_does_not_come_ends_with_8() {
    let database = TestDatabase::migrated().await;

    let later = (NEWEST + 1).to_string();
    let output = run(
        &database,
        &["wait", "--for-version", &later, "--wait-timeout", "1"],
    )
    .await
    .exits(8);

    output.assert_stderr(&format!("still at version {NEWEST}, not at {later}"));
}

#[tokio::test]
async fn a_signal_ends_waiting_with_143() {
    let database = TestDatabase::empty().await;

    let mut waiting = start(&database, &["wait"]);
    waiting.wait_for_text("Waiting for version").await;
    waiting.signal("TERM");

    waiting.wait_output().await.exits(143);
}
