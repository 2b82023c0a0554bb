//! What `bootstrap_runs` says of runs that did not end well.

use test_support::TestDatabase;

use crate::own::{self, NEXT};
use crate::program::NEWEST;

const LAST: &str =
    "SELECT outcome, exit_code, version, message FROM bootstrap_runs ORDER BY started_at DESC LIMIT 1";

#[tokio::test]
async fn a_killed_run_is_running_until_the_next_one_finds_that_it_was_lost() {
    let database = TestDatabase::migrated().await;
    let long = [own::migration(NEXT, "yes", "SELECT pg_sleep(60);", "SELECT 1;")];
    let killed = own::start(&database, &long);
    let running = "SELECT count(*) FROM bootstrap_runs WHERE outcome = 'running' AND finished_at IS NULL";
    database.until("the run is recorded", running, "1").await;
    let id = database
        .value("SELECT id FROM bootstrap_runs WHERE outcome = 'running'")
        .await;

    killed.signal("KILL");
    killed.wait_output().await;
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'own migrations' AND datname = current_database()";
    database.until("its session ends", sessions, "0").await;
    assert_eq!(database.value(running).await, "1");
    let quick = [own::migration(NEXT, "yes", "SELECT 1;", "SELECT 1;")];
    own::migrator(&database, &quick).up(None).await.unwrap();

    let lost = format!("SELECT outcome, exit_code, message FROM bootstrap_runs WHERE id = '{id}'");
    assert_eq!(
        database.value(&lost).await,
        "failed|1|the run was lost: its process ended without a word"
    );
    assert_eq!(database.value(running).await, "0");
}

#[tokio::test]
async fn a_run_whose_connection_was_cut_is_recorded_over_another_one() {
    let database = TestDatabase::migrated().await;
    let cut = own::migration(
        NEXT,
        "yes",
        "SELECT pg_terminate_backend(pg_backend_pid());",
        "SELECT 1;",
    );

    own::migrator(&database, &[cut]).up(None).await.unwrap_err();

    let record = database.value(LAST).await;
    let said = format!("failed|6|{NEWEST}|{NEXT:04}_own/up.sql failed; it was rolled back");
    assert!(record.starts_with(&said), "{record}");
}

#[tokio::test]
async fn a_run_that_fails_is_one_record_with_its_error() {
    let database = TestDatabase::migrated().await;
    let wrong = own::migration(NEXT, "yes", "SELECT 1/0;", "SELECT 1;");
    let before = database.value("SELECT count(*) FROM bootstrap_runs").await;

    let error = own::migrator(&database, &[wrong]).up(None).await.unwrap_err();

    let record = format!("failed|1|{NEWEST}|{}", process::failure::line(&error));
    assert_eq!(database.value(LAST).await, record);
    let count = format!("SELECT count(*) - {before} FROM bootstrap_runs");
    assert_eq!(database.value(&count).await, "1");
}
