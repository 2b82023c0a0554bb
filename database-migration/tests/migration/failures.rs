//! What a migration that fails or is stopped leaves behind, what is said of it, and the exit code.

use database_migration::{Error, Migrator, PartialEffect};
use process::failure::{self, ExitCode};
use test_support::TestDatabase;
use tokio::task::JoinHandle;

use crate::own;

const STOPPED_BACKEND: &str = "SELECT coalesce(max(pid), 0) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()";

/// Version 1 makes a table, version 2 is `up`.
fn migrator(database: &TestDatabase, transaction: &str, up: &str) -> Migrator {
    let mut migrator = Migrator::new(database.database()).unwrap();
    migrator.migrations = vec![
        own::named(
            "0001_first",
            "yes",
            "CREATE TABLE first (a int);",
            "DROP TABLE first;",
        ),
        own::named("0002_second", transaction, up, "DROP TABLE second;"),
    ];
    migrator
}

async fn state(database: &TestDatabase) -> String {
    database
        .value("SELECT max(version::int), to_regclass('second') IS NOT NULL FROM __diesel_schema_migrations")
        .await
}

#[tokio::test]
async fn the_exit_code_says_whether_the_database_or_the_migration_is_to_blame() {
    let codes = [
        ("42501", ExitCode::Prerequisite),
        ("25006", ExitCode::Prerequisite),
        ("3F000", ExitCode::Prerequisite),
        ("53100", ExitCode::Input),
        ("53200", ExitCode::Input),
        ("53300", ExitCode::Input),
        ("58030", ExitCode::Input),
        ("57P01", ExitCode::Input),
        ("57P02", ExitCode::Input),
        ("08006", ExitCode::Input),
        ("22012", ExitCode::Unexpected),
        ("XX000", ExitCode::Unexpected),
    ];
    let database = TestDatabase::empty().await;
    for (state_code, code) in codes {
        let up = format!(
            "CREATE TABLE second (); DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state_code}'; END $$;"
        );

        let error = migrator(&database, "yes", &up).up(None).await.unwrap_err();

        assert_eq!(error.exit_code(), code, "{state_code}");
        let said = "0002_second/up.sql failed; it was rolled back, and what was done before it stays: ";
        assert!(
            failure::line(&error).starts_with(said),
            "{}",
            failure::line(&error)
        );
        assert_eq!(state(&database).await, "1|f", "{state_code}");
    }
}

#[tokio::test]
async fn a_connection_lost_in_a_migration_ends_with_6() {
    let database = TestDatabase::empty().await;
    let up = "CREATE TABLE second (); SELECT pg_terminate_backend(pg_backend_pid());";

    let error = migrator(&database, "yes", up).up(None).await.unwrap_err();

    assert_eq!(error.exit_code(), ExitCode::Input);
    assert!(
        matches!(
            error,
            Error::Failed {
                effect: PartialEffect::Nothing,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(state(&database).await, "1|f");
}

#[tokio::test]
async fn a_connection_lost_in_a_commit_leaves_it_open_what_became_of_it() {
    let database = TestDatabase::empty().await;
    let up = "CREATE TABLE second (a int);
        CREATE FUNCTION go_away() RETURNS trigger LANGUAGE plpgsql
            AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON second DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION go_away();
        INSERT INTO second VALUES (1);";

    let error = migrator(&database, "yes", up).up(None).await.unwrap_err();

    assert_eq!(error.exit_code(), ExitCode::Input);
    let said = "0002_second/up.sql failed; it may or may not have been rolled back (database-migration status tells)";
    assert!(error.to_string().starts_with(said), "{error}");
    assert_eq!(state(&database).await, "1|f");
}

#[tokio::test]
async fn a_failure_without_a_transaction_is_not_said_to_be_rolled_back() {
    let database = TestDatabase::empty().await;
    let up = "CREATE TABLE second ();\nSELECT 1/0;\n";

    let error = migrator(&database, "none", up).up(None).await.unwrap_err();

    let said = "0002_second/up.sql failed; it has no transaction (what it did so far stays, and the next run repeats it)";
    assert!(error.to_string().starts_with(said), "{error}");
    assert_eq!(state(&database).await, "1|t");
}

/// A run that has made the table and sleeps.
async fn sleeping(database: &TestDatabase, transaction: &str) -> (Migrator, JoinHandle<Error>) {
    let up = "CREATE TABLE second ();\nSELECT pg_sleep(60);\n";
    let migrator = migrator(database, transaction, up);
    let mut running = Migrator::new(database.database()).unwrap();
    running.migrations.clone_from(&migrator.migrations);
    running.stop = migrator.stop.clone();
    let run = tokio::spawn(async move { running.up(None).await.unwrap_err() });
    let sleeps =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
    database.until("the migration sleeps", sleeps, "1").await;
    (migrator, run)
}

#[tokio::test]
async fn a_migration_that_is_stopped_says_what_it_leaves_behind() {
    let table = [
        ("yes", "which was rolled back", "1|f"),
        (
            "none",
            "which has no transaction (what it did so far stays, and the next run repeats it)",
            "1|t",
        ),
    ];
    for (transaction, said, left) in table {
        let database = TestDatabase::empty().await;
        let (migrator, run) = sleeping(&database, transaction).await;

        migrator.stop.cancel();

        let error = run.await.unwrap();
        assert_eq!(error.exit_code(), ExitCode::Terminated);
        assert_eq!(
            error.to_string(),
            format!("stopped by a signal during 0002_second/up.sql, {said}")
        );
        assert_eq!(state(&database).await, left);
    }
}

#[tokio::test]
async fn a_rollback_that_the_server_does_not_confirm_is_not_claimed() {
    let database = TestDatabase::empty().await;
    let (migrator, run) = sleeping(&database, "yes").await;
    let pid = database
        .value(&format!("{STOPPED_BACKEND} AND datname = current_database()"))
        .await;
    let signal = |name: &str| {
        let status = std::process::Command::new("kill")
            .args(["-s", name, &pid])
            .status();
        assert!(status.unwrap().success());
    };

    signal("STOP");
    migrator.stop.cancel();
    let error = run.await.unwrap();
    signal("CONT");

    assert_eq!(
        error.to_string(),
        "stopped by a signal during 0002_second/up.sql, which may or may not have been rolled back (database-migration status tells)"
    );
    database
        .until(
            "the server rolls it back once it can",
            "SELECT to_regclass('second') IS NULL",
            "t",
        )
        .await;
}
