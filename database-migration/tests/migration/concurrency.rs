//! Many copies at once, and locks of other sessions.

use test_support::TestDatabase;

use crate::program::{NEWEST, VERSION, busy_at_3, migration_lock, run, start};

#[tokio::test]
async fn of_ten_copies_at_once_one_applies_each_migration_and_all_succeed() {
    let database = TestDatabase::empty().await;

    let copies: Vec<_> = (0..10).map(|_| start(&database, &[])).collect();
    let mut changed = 0;
    for copy in copies {
        let output = copy.wait_output().await.exits(0);
        changed += usize::from(output.stderr.contains("outcome changed"));
    }

    assert_eq!(changed, 1);
    let versions: Vec<_> = (1..=NEWEST).map(|version| [version.to_string()]).collect();
    let rows = "SELECT version::int FROM __diesel_schema_migrations ORDER BY version";
    assert_eq!(database.rows(rows).await, versions);
    assert_eq!(database.value("SELECT count(*) FROM bootstrap_runs").await, "1");
}

#[tokio::test]
async fn a_lock_held_for_too_long_ends_with_4_and_names_the_holder() {
    let database = TestDatabase::empty().await;
    let holder = migration_lock(&database).await;
    holder
        .batch_execute("SET application_name = 'deploy by hand'")
        .await
        .unwrap();
    let pid: i32 = holder
        .query_one("SELECT pg_backend_pid()", &[])
        .await
        .unwrap()
        .get(0);

    let output = run(&database, &["--lock-timeout", "1"]).await.exits(4);

    output.assert_last_line(&format!(
        "held by process {pid} (deploy by hand), connected since 2"
    ));
    let query = "SELECT to_regclass('__diesel_schema_migrations') IS NULL";
    assert_eq!(database.value(query).await, "t");
}

#[tokio::test]
async fn a_lock_that_is_released_in_time_costs_only_the_wait() {
    let database = TestDatabase::empty().await;
    let holder = migration_lock(&database).await;

    let mut waiting = start(&database, &[]);
    waiting
        .wait_for_text("Waiting: the migration lock is held by")
        .await;
    drop(holder);

    waiting.wait_output().await.exits(0);
    assert_eq!(database.value(VERSION).await, NEWEST.to_string());
}

#[tokio::test]
async fn nothing_to_do_needs_no_lock() {
    let database = TestDatabase::migrated().await;
    let _holder = migration_lock(&database).await;

    run(&database, &["--lock-timeout", "0"]).await.exits(0);
}

#[tokio::test]
async fn a_busy_table_is_tried_again_until_it_is_free() {
    let (database, writer) = busy_at_3("orders").await;

    let mut waiting = start(&database, &["up", "--to", "4"]);
    waiting
        .wait_for_text("did not get its locks within 2s; trying again")
        .await;
    writer.batch_execute("COMMIT").await.unwrap();

    let output = waiting.wait_output().await.exits(0);
    output.assert_stderr("given up for want of a lock");
    assert_eq!(database.value(VERSION).await, "4");
}

#[tokio::test]
async fn a_table_that_stays_busy_ends_with_4_and_names_the_blocker() {
    let (database, _writer) = busy_at_3("orders").await;

    let output = run(&database, &["up", "--to", "4", "--lock-timeout", "1"])
        .await
        .exits(4);

    output.assert_last_line("0004_look_ups/up.sql did not get its locks in 1 attempt;");
    output.assert_last_line("(long report) in a transaction since 2");
    assert_eq!(database.value(VERSION).await, "3");
    let record = "SELECT exit_code, version FROM bootstrap_runs WHERE outcome = 'failed'";
    assert_eq!(database.value(record).await, "4|3");
}

/// A database at version 3 and a program that waits inside version 4 for a lock that the test
/// holds.
async fn mid_migration() -> (TestDatabase, tokio_postgres::Client, test_support::Process) {
    let (database, writer) = busy_at_3("idempotency_keys").await;
    let process = start(&database, &["up", "--to", "4"]);
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'idempotency_keys'::regclass";
    database.until("the migration waits", waits, "1").await;
    (database, writer, process)
}

async fn nothing_of_version_4_is_there(database: &TestDatabase) -> bool {
    database.value(VERSION).await == "3"
        && database
            .value("SELECT to_regclass('orders_api_key_id_id_idx') IS NULL")
            .await
            == "t"
}

#[tokio::test]
async fn a_signal_in_the_middle_of_a_migration_rolls_it_back_and_ends_with_143() {
    for signal in ["TERM", "INT"] {
        let (database, writer, process) = mid_migration().await;

        process.signal(signal);
        let output = process.wait_output().await.exits(143);

        output.assert_stderr("0004_look_ups/up.sql, which was rolled back");
        writer.batch_execute("COMMIT").await.unwrap();
        assert!(nothing_of_version_4_is_there(&database).await);
        let record = "SELECT exit_code FROM bootstrap_runs WHERE outcome = 'canceled'";
        assert_eq!(database.value(record).await, "143");
        run(&database, &["--lock-timeout", "0"]).await.exits(0);
    }
}

#[tokio::test]
async fn a_killed_migrator_leaves_nothing_behind_and_the_next_one_goes_on() {
    let (database, writer, process) = mid_migration().await;

    process.signal("KILL");
    assert_eq!(process.wait_output().await.signal, Some(9));

    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'database-migration' AND datname = current_database()";
    database
        .until("the killed migrator's session ends", sessions, "0")
        .await;
    assert!(nothing_of_version_4_is_there(&database).await);
    writer.batch_execute("COMMIT").await.unwrap();
    run(&database, &["up", "--to", "4"]).await.exits(0);
    assert_eq!(database.value(VERSION).await, "4");
}
