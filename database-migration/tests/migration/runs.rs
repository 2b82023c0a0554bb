//! What a run does, says and records.

use test_support::{Cluster, TestDatabase};

use crate::program::{NEWEST, VERSION, run, start_with};

const LEDGER: &str =
    "SELECT version::int, name, build, min_compatible_schema FROM migration_details ORDER BY version";

#[tokio::test]
async fn up_brings_an_empty_database_to_the_newest_version_step_by_step() {
    let database = TestDatabase::empty().await;

    let output = run(&database, &[]).await.exits(0);

    for banner in [
        "Starting run".to_owned(),
        format!("The database is at version 0, {NEWEST} migrations to apply"),
        format!("Step 1 of {NEWEST}: createTables 0001_shop"),
        format!("Step {NEWEST} of {NEWEST} done in "),
        "done: run ".to_owned(),
    ] {
        output.assert_stderr(&banner);
    }
    let ledger = database.rows(LEDGER).await;
    assert_eq!(ledger.len(), usize::try_from(database::version::NEWEST).unwrap());
    assert_eq!(ledger[0], ["1", "shop", env!("CARGO_PKG_VERSION"), "1"]);
}

#[tokio::test]
async fn a_run_ends_with_its_id_and_is_found_by_it() {
    let database = TestDatabase::empty().await;

    let output = run(&database, &["up"]).await;

    let last = output.stderr.lines().last().unwrap();
    let id = last
        .split("run ")
        .nth(1)
        .and_then(|rest| rest.split(',').next())
        .unwrap();
    assert!(
        last.contains(&format!("outcome changed, version {NEWEST}")),
        "{last}"
    );
    let record = format!(
        "SELECT task, command, outcome, exit_code, version, finished_at >= started_at, build, host <> '' FROM bootstrap_runs WHERE id = '{id}'"
    );
    let build = env!("CARGO_PKG_VERSION");
    assert_eq!(
        database.value(&record).await,
        format!("database-migration|up|changed|0|{NEWEST}|t|{build}|t")
    );
}

#[tokio::test]
async fn nothing_to_do_is_one_select_and_no_record() {
    let database = TestDatabase::migrated().await;
    let runs = "SELECT count(*) FROM bootstrap_runs";
    let before = database.value(runs).await;
    Cluster::shared().log_statements_of(&database).await;

    let output = run(&database, &[]).await.exits(0);

    output.assert_stderr(&format!("outcome unchanged, version {NEWEST}"));
    assert_eq!(database.value(runs).await, before);
    let log = Cluster::shared().log();
    let own = format!("{} database-migration ", database.name());
    let statements: Vec<_> = log
        .lines()
        .filter(|line| line.starts_with(&own) && (line.contains("execute") || line.contains("statement:")))
        // Every connection asks this once, to know whether a pooler is between.
        .filter(|line| !line.contains("pg_backend_pid()"))
        .collect();
    assert_eq!(statements.len(), 1, "{statements:#?}");
}

#[tokio::test]
async fn up_stops_at_the_version_asked_for_and_goes_on_later() {
    let database = TestDatabase::empty().await;

    run(&database, &["up", "--to", "2"]).await.exits(0);
    assert_eq!(database.value(VERSION).await, "2");
    let query = "SELECT to_regclass('dataset_versions') IS NULL";
    assert_eq!(database.value(query).await, "t");

    run(&database, &["up"]).await.exits(0);
    assert_eq!(database.value(VERSION).await, NEWEST.to_string());
}

#[tokio::test]
async fn down_takes_back_as_many_steps_as_asked_and_records_it() {
    let database = TestDatabase::empty().await;
    run(&database, &["up", "--to", "4"]).await;

    run(&database, &["down", "--steps", "1"]).await.exits(0);

    assert_eq!(database.value(VERSION).await, "3");
    let query = "SELECT to_regclass('orders_api_key_id_id_idx') IS NULL";
    assert_eq!(database.value(query).await, "t");
    let record =
        "SELECT command, outcome, version, message FROM bootstrap_runs ORDER BY started_at DESC LIMIT 1";
    assert_eq!(database.value(record).await, "down|changed|3|from version 4 to 3");
}

#[tokio::test]
async fn a_run_records_what_started_it_also_when_it_brings_or_drops_the_column() {
    let database = TestDatabase::empty().await;
    let newest = "SELECT trigger, command FROM bootstrap_runs ORDER BY started_at DESC LIMIT 1";
    let init = |arguments: &'static [&'static str]| {
        let environment = [("DATABASE_URL", database.url()), ("RUN_TRIGGER", "init")];
        start_with(arguments, &environment).wait_output()
    };

    init(&["up", "--to", "4"]).await.exits(0);
    let before = "SELECT count(*) FROM bootstrap_runs WHERE outcome = 'changed'";
    assert_eq!(database.value(before).await, "1");
    init(&["up"]).await.exits(0);
    assert_eq!(database.value(newest).await, "init|up");

    run(&database, &["down", "--to", "4", "--allow-destructive"])
        .await
        .exits(0);
    run(&database, &["up"]).await.exits(0);
    assert_eq!(database.value(newest).await, "manual|up");

    let environment = [("DATABASE_URL", database.url()), ("RUN_TRIGGER", "cron")];
    let refused = start_with(&["up"], &environment).wait_output().await.exits(2);
    refused.assert_stderr("RUN_TRIGGER");
}

#[tokio::test]
async fn down_to_a_version_leaves_that_version() {
    let database = TestDatabase::migrated().await;

    run(&database, &["down", "--to", "1", "--allow-destructive"])
        .await
        .exits(0);

    let rows = "SELECT version::int FROM __diesel_schema_migrations";
    assert_eq!(database.rows(rows).await, [["1"]]);
    assert_eq!(database.value("SELECT to_regclass('orders') IS NULL").await, "t");
}

#[tokio::test]
async fn status_lists_what_is_applied_and_what_is_pending() {
    let database = TestDatabase::empty().await;
    run(&database, &["up", "--to", "3"]).await;

    let table = run(&database, &["status"]).await.exits(0);
    table.assert_stdout(&format!("version 3 of {NEWEST}"));
    table.assert_stdout("0004 look_ups             pending");

    let json = run(&database, &["status", "--json", "--exit-code"])
        .await
        .exits(8);
    let status: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        (&status["version"], &status["newest"], &status["pending"]),
        (&3.into(), &NEWEST.into(), &(NEWEST - 3).into())
    );
    assert_eq!(status["migrations"][0]["state"], "applied");
    assert_eq!(status["migrations"][3]["state"], "pending");
}

#[tokio::test]
async fn status_of_a_database_without_a_ledger_says_that_all_is_pending() {
    let database = TestDatabase::empty().await;

    let output = run(&database, &["status", "--exit-code"]).await.exits(8);

    output.assert_stdout(&format!("{NEWEST} pending"));
    let query = "SELECT to_regclass('__diesel_schema_migrations') IS NULL";
    assert_eq!(database.value(query).await, "t");
}
