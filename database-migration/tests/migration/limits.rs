//! `--timeout` ends a run whatever it waits for, and the exit code says what that was.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use database_migration::{Error, PartialEffect, StopReason};
use process::failure::ExitCode;
use test_support::TestDatabase;

use crate::own;
use crate::program::{NEWEST, VERSION, busy_at_3, migration_lock, run, start_at, start_with};

/// Far more than the second that is given, far less than what would be waited for otherwise.
const PROMPTLY: Duration = Duration::from_secs(20);

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_database_that_never_answers_ends_with_3() {
    // The system accepts connections, and no program reads from them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://food@{}/food", silent.local_addr().unwrap());
    let started = Instant::now();

    let output = start_at(&url, &["--timeout", "1"]).wait_output().await.exits(3);

    assert!(started.elapsed() < PROMPTLY, "{:?}", started.elapsed());
    output.assert_stderr("--timeout");
}

#[tokio::test]
async fn another_migrator_that_does_not_end_ends_with_4_and_is_named() {
    let database = TestDatabase::empty().await;
    let _holder = migration_lock(&database).await;

    let output = run(&database, &["up", "--timeout", "1"]).await.exits(4);

    output.assert_last_line("the migration lock is held by process");
}

#[tokio::test]
async fn a_table_that_stays_busy_ends_with_4_and_names_the_blocker() {
    let (database, _writer) = busy_at_3("orders").await;

    let output = run(&database, &["up", "--to", "4", "--timeout", "1"])
        .await
        .exits(4);

    output.assert_last_line("(long report) in a transaction since 2");
    assert_eq!(database.value(VERSION).await, "3");
}

#[tokio::test]
async fn a_migration_that_takes_too_long_is_rolled_back_and_ends_with_6() {
    let database = TestDatabase::migrated().await;
    let long = own::migration(
        own::NEXT,
        "yes",
        "CREATE TABLE long (a int); SELECT pg_sleep(60);",
        "DROP TABLE long;",
    );
    let mut migrator = own::migrator(&database, &[long]);
    migrator.timeout = SECOND;
    let started = Instant::now();

    let error = migrator.up(None).await.unwrap_err();

    assert!(started.elapsed() < PROMPTLY, "{:?}", started.elapsed());
    assert_eq!(error.exit_code(), ExitCode::Input);
    assert!(
        matches!(
            &error,
            Error::Stopped {
                why: StopReason::Timeout(SECOND),
                during: Some((_, PartialEffect::Nothing))
            }
        ),
        "{error}"
    );
    assert_eq!(database.value("SELECT to_regclass('long') IS NULL").await, "t");
    let record = "SELECT outcome, exit_code, version FROM bootstrap_runs ORDER BY started_at DESC LIMIT 1";
    assert_eq!(database.value(record).await, format!("failed|6|{NEWEST}"));
}

#[tokio::test]
async fn a_version_that_does_not_come_ends_with_8() {
    let database = TestDatabase::empty().await;

    run(&database, &["wait", "--timeout", "1"]).await.exits(8);
}

#[tokio::test]
async fn a_limit_that_is_no_time_ends_with_2() {
    for wrong in [
        ["--timeout", "0"],
        ["--timeout", "86401"],
        ["--wait-timeout", "18446744073709551615"],
        ["--lock-timeout", "-1"],
        ["--lock-timeout", "5x"],
    ] {
        let output = start_with(&wrong, &[("DATABASE_URL", "postgres://127.0.0.1:1/food")])
            .wait_output()
            .await;
        assert_eq!(output.code, Some(2), "{wrong:?}: {}", output.stderr);
    }
    let file = std::env::temp_dir().join(format!("limits-{}.toml", std::process::id()));
    std::fs::write(&file, "lock_timeout_s = 18446744073709551\n").unwrap();
    let environment = [("DATABASE_URL", "postgres://127.0.0.1:1/food")];
    let output = start_with(&["--config", file.to_str().unwrap()], &environment)
        .wait_output()
        .await
        .exits(2);
    std::fs::remove_file(&file).unwrap();
    output.assert_stderr("lock_timeout_s");
}
