//! A command that takes too long, or is told to stop, leaves everything as it was.

use test_support::{Process, TestDatabase, eventually};

use crate::fixture::{
    Data, PRICE_OF_3, block_publication, dataset_rows, loaded, outcomes, products_lock, publication_waits,
    run_with, spawn, two_versions,
};

#[tokio::test]
async fn a_run_that_is_not_done_within_timeout_rolls_back_and_exits_6() {
    let (database, data) = loaded().await;
    let before = dataset_rows(&database).await;
    data.edit("default/products.csv", "9.99", "10.49");
    let blocker = block_publication(&database).await;

    let publishing = run_with(&database, &data, &["--timeout", "1"], &[]).await;
    blocker.batch_execute("ROLLBACK").await.unwrap();
    let at_once = run_with(&database, &data, &["--timeout", "0s"], &[]).await;

    for output in [&publishing, &at_once] {
        assert_eq!(output.code, Some(6), "{}", output.stderr);
        output.assert_stderr("(--timeout); nothing was changed");
    }
    assert_eq!(dataset_rows(&database).await, before);
    assert_eq!(outcomes(&database).await, ["changed", "failed", "failed"]);
    let staged = "SELECT count(*) FROM dataset_versions WHERE state = 'staged'";
    assert_eq!(database.value(staged).await, "0");
}

#[tokio::test]
async fn a_run_that_waits_for_another_ends_with_its_time() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    let _holder = products_lock(&database).await;

    run_with(
        &database,
        &data,
        &["--timeout", "1s", "--lock-timeout", "1h"],
        &[],
    )
    .await
    .exits(6);

    assert_eq!(outcomes(&database).await, ["failed"]);
}

#[tokio::test]
async fn a_rollback_that_is_stopped_rolls_back_and_exits_143() {
    let (database, data) = two_versions().await;
    let before = dataset_rows(&database).await;
    let _blocker = block_publication(&database).await;
    let process = spawn(
        &database,
        &data,
        &["rollback", "-p", "default", "--previous"],
        &[],
    );
    publication_waits(&database).await;

    process.signal("TERM");
    let output = process.wait_output().await.exits(143);

    assert_eq!(dataset_rows(&database).await, before);
    assert_eq!(outcomes(&database).await, ["changed", "changed", "canceled"]);
    output.assert_last_line("canceled");
    output.assert_last_line("stopped by a signal");
}

#[tokio::test]
async fn a_rollback_that_is_killed_leaves_the_active_version_and_the_next_one_works() {
    let (database, data) = two_versions().await;
    let before = dataset_rows(&database).await;
    let blocker = block_publication(&database).await;
    let arguments = ["rollback", "-p", "default", "--previous"];
    let process = spawn(&database, &data, &arguments, &[]);
    publication_waits(&database).await;

    process.signal("KILL");
    process.wait_output().await;
    drop(blocker);
    eventually("the killed one's session has ended", async || {
        let sessions = "SELECT count(*) FROM pg_stat_activity
                        WHERE datname = current_database() AND application_name = 'database-load'";
        database.value(sessions).await == "0"
    })
    .await;

    assert_eq!(dataset_rows(&database).await, before);
    run_with(&database, &data, &arguments, &[]).await.exits(0);
    assert_eq!(database.value(PRICE_OF_3).await, "9.99");
}

#[tokio::test]
async fn commands_that_only_read_stop_at_a_signal_too() {
    let (database, data) = loaded().await;
    let lock = "BEGIN; LOCK TABLE dataset_versions IN ACCESS EXCLUSIVE MODE";
    let _blocker = database.session(lock).await;
    for arguments in [
        ["status"].as_slice(),
        &["history"],
        &["verify"],
        &["plan"],
        &["freshness", "--max-age", "1h"],
    ] {
        let process: Process = spawn(&database, &data, arguments, &[]);
        eventually("it waits", async || {
            let waiting = "SELECT count(*) FROM pg_stat_activity
                           WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%dataset_versions%'";
            database.value(waiting).await != "0"
        })
        .await;

        process.signal("TERM");
        let output = process.wait_output().await;

        assert_eq!(output.code, Some(143), "{arguments:?}: {}", output.stderr);
        eventually("its session has ended", async || {
            let sessions = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                            WHERE datname = current_database() AND application_name = 'database-load'";
            database.value(sessions).await == "0"
        })
        .await;
    }
}
