//! Exit codes for what a person has to repair.

use test_support::TestDatabase;

use crate::own;
use crate::program::{EDIT, NEWEST, VERSION, run, start_with};

#[tokio::test]
async fn an_edited_migration_ends_with_5_and_names_the_file_and_both_sums() {
    let database = TestDatabase::migrated().await;
    let original = database
        .value("SELECT encode(up_sha256, 'hex') FROM migration_details WHERE version = '0002'")
        .await;
    database.execute(EDIT).await;
    let edited = database.value("SELECT encode(sha256('edited'), 'hex')").await;

    let output = run(&database, &[]).await.exits(5);

    for part in ["0002_orders/up.sql", &original, &edited] {
        output.assert_last_line(part);
    }
    let record = "SELECT exit_code, version FROM bootstrap_runs WHERE outcome = 'failed'";
    assert_eq!(database.value(record).await, format!("5|{NEWEST}"));
    let status = run(&database, &["status", "--exit-code"]).await.exits(5);
    status.assert_stdout("EDITED");
}

#[tokio::test]
async fn a_ledger_with_a_gap_or_a_strange_migration_ends_with_5() {
    for damage in [
        "DELETE FROM __diesel_schema_migrations WHERE version = '0002'",
        "UPDATE migration_details SET name = 'x' WHERE version = '0002'",
    ] {
        let database = TestDatabase::migrated().await;
        database.execute(damage).await;

        assert_eq!(run(&database, &[]).await.code, Some(5), "{damage}");
    }
}

async fn newer(min_compatible: i32) -> TestDatabase {
    let database = TestDatabase::migrated().await;
    database.execute(&own::later(min_compatible)).await;
    database
}

#[tokio::test]
async fn a_newer_database_that_allows_this_build_is_a_warning() {
    let database = newer(NEWEST).await;

    let output = run(&database, &[]).await.exits(0);

    assert!(
        output.stderr.contains("WARN") && output.stderr.contains("newer than this build"),
        "{}",
        output.stderr
    );
    run(&database, &["wait"]).await.exits(0);
    run(&database, &["down", "--steps", "1"]).await.exits(7);
    assert_eq!(database.value(VERSION).await, (NEWEST + 1).to_string());
}

#[tokio::test]
async fn a_newer_database_that_does_not_allow_this_build_ends_with_7() {
    let database = newer(NEWEST + 1).await;

    let output = run(&database, &[]).await.exits(7);

    output.assert_stderr(&format!("needs a build of version {} or later", NEWEST + 1));
}

#[tokio::test]
async fn a_migration_that_fails_ends_with_1_and_says_where_and_why() {
    let database = TestDatabase::empty().await;
    database.execute("CREATE TABLE orders ()").await;

    let output = run(&database, &[]).await.exits(1);

    for part in [
        "outcome failed, version 1",
        "0002_orders/up.sql",
        "relation \"orders\" already exists",
    ] {
        output.assert_last_line(part);
    }
    let rows = "SELECT version::int FROM __diesel_schema_migrations";
    assert_eq!(database.rows(rows).await, [["1"]]);
    assert_eq!(
        database.value("SELECT to_regclass('order_items') IS NULL").await,
        "t"
    );
}

#[tokio::test]
async fn a_database_that_cannot_be_written_ends_with_9_unless_nothing_is_to_do() {
    for (database, code) in [
        (TestDatabase::empty().await, 9),
        (TestDatabase::migrated().await, 0),
    ] {
        let read_only = format!(
            "ALTER DATABASE {} SET default_transaction_read_only = on",
            database.name()
        );
        database.execute(&read_only).await;

        run(&database, &[]).await.exits(code);
    }
}

#[tokio::test]
async fn wrong_usage_ends_with_2() {
    let database = TestDatabase::migrated().await;
    let wrong: [&[&str]; 8] = [
        &["--wait-time", "5"],
        &["sideways"],
        &["up", "--to", "99"],
        &["up", "--to", "x"],
        &["down"],
        &["down", "--steps", "0"],
        &["down", "--steps", "99"],
        &["down", "--steps", "1", "--to", "1"],
    ];
    for arguments in wrong {
        let output = run(&database, arguments).await;
        assert_eq!(output.code, Some(2), "{arguments:?}: {}", output.stderr);
    }
    assert_eq!(database.value(VERSION).await, NEWEST.to_string());
}

#[tokio::test]
async fn every_help_shows_an_example() {
    for command in ["", "up", "down", "status", "plan", "validate", "repair", "wait"] {
        let arguments: Vec<&str> = [command, "--help"]
            .into_iter()
            .filter(|word| !word.is_empty())
            .collect();

        let output = start_with(&arguments, &[]).wait_output().await.exits(0);

        for part in [
            "Example:\n  ",
            "--wait-timeout",
            "--lock-timeout",
            "--timeout",
            "--json",
        ] {
            assert!(output.stdout.contains(part), "{command}: {}", output.stdout);
        }
    }
}

#[tokio::test]
async fn before_the_migration_there_is_nothing_to_divide_and_wrong_figures_are_refused() {
    let database = TestDatabase::empty().await;
    let mut earlier = own::migrator(&database, &[]);
    earlier.migrations = own::earlier(10);
    earlier.up(None).await.unwrap();

    let early = run(&database, &["partitions"]).await.exits(8);

    early.assert_stderr("not partitioned yet");
    for wrong in [
        ["--ahead", "1"],
        ["--retain", "6d"],
        ["--retain", "200h"],
        ["--interval", "day"],
    ] {
        let output = run(&database, &[["partitions"].as_slice(), wrong.as_slice()].concat()).await;
        assert_eq!(output.code, Some(2), "{wrong:?}: {}", output.stderr);
    }
}
