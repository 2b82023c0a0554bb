//! Workers that are killed or frozen, a server that is restarted.

use std::time::Duration;

use serde_json::Value;
use test_support::{Stop, TestDatabase, Worker, eventually};
use tokio_postgres::Client;

use crate::harness::{PROGRAM, jobs_json, migrated_cluster};

const RETENTION: &str = "maintenance.job_retention";

/// Holds the table that the job writes to, so that the job runs until its lock time-out (1 s).
pub(crate) async fn holding(database: &TestDatabase) -> Client {
    database.session("BEGIN; LOCK TABLE operator_actions").await
}

/// Inserts a job without the command, which would record the action in the table that is held.
async fn enqueue(database: &TestDatabase) {
    let sql = "INSERT INTO job (kind, priority, timeout_ms, payload) VALUES ('maintenance.job_retention', 0, 60000, 'null')";
    database.execute(sql).await;
}

/// Until the attempt runs whose worker is this one alone.
async fn running(database: &TestDatabase, attempt: u16) {
    let sql = format!("SELECT count(*) FROM job WHERE priority = 0 AND state = 1 AND attempt = {attempt}");
    database.until("the attempt runs", &sql, "1").await;
}

#[tokio::test]
async fn a_job_of_a_killed_worker_is_run_again_and_completed_once() {
    let database = TestDatabase::migrated().await;
    let killed = Worker::ready(PROGRAM, database.url(), &[]).await;
    let held = holding(&database).await;
    enqueue(&database).await;
    running(&database, 1).await;

    killed.process.signal("KILL");
    drop(held);
    let other = Worker::ready(PROGRAM, database.url(), &[]).await;

    database
        .until("it is done", "SELECT count(*) FROM job WHERE priority = 0", "0")
        .await;
    assert_eq!(database.value("SELECT count(*) FROM job_dead").await, "0");
    let completed = r#"jobs_completed_total{kind="maintenance.job_retention",priority="critical"}"#;
    eventually("it is counted", async || other.metric(completed).await == 1.0).await;
    // Periodic jobs of the killed worker are rescued beside it.
    assert!(other.metric("jobs_rescued_total").await >= 1.0);
    let failed = other.process.json_lines();
    let failed = failed
        .iter()
        .find(|line| line["message"] == "Job failed" && line["kind"] == RETENTION)
        .unwrap();
    assert_eq!(failed["attempt"], 1, "{failed}");
    other.stop().await;
}

#[tokio::test]
async fn the_end_of_an_attempt_of_a_frozen_worker_is_refused() {
    let database = TestDatabase::migrated().await;
    let frozen = Worker::ready(PROGRAM, database.url(), &[]).await;
    let held = holding(&database).await;
    enqueue(&database).await;
    running(&database, 1).await;
    frozen.process.signal("STOP");
    drop(held);
    let other = Worker::ready(PROGRAM, database.url(), &[]).await;
    database
        .until(
            "the other has done it",
            "SELECT count(*) FROM job WHERE priority = 0",
            "0",
        )
        .await;

    frozen.process.signal("CONT");

    // Which comes first is a race: the end that is refused, or the missing heartbeat.
    let missed = "no heartbeat could be stored";
    eventually("its end was refused, or it was stopped before", async || {
        let stopped = |line: &Value| {
            line["message"]
                .as_str()
                .is_some_and(|text| text.starts_with(missed))
        };
        frozen.metric("jobs_stale_total").await == 1.0 || frozen.process.json_lines().iter().any(stopped)
    })
    .await;
    let completed = r#"jobs_completed_total{kind="maintenance.job_retention",priority="critical"}"#;
    assert_eq!(
        (frozen.metric(completed).await, other.metric(completed).await),
        (0.0, 1.0)
    );
    database
        .until("it registers again", "SELECT count(*) FROM job_worker", "2")
        .await;
    let fine = jobs_json(&database, &format!("enqueue {RETENTION} --wait")).await;
    assert_eq!(fine["state"], "done");
    frozen.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn sigterm_gives_back_what_is_not_done_and_does_not_count_it() {
    let database = TestDatabase::migrated().await;
    let worker = Worker::ready(PROGRAM, database.url(), &[("SHUTDOWN_TIMEOUT", "0")]).await;
    let _held = holding(&database).await;
    enqueue(&database).await;
    running(&database, 1).await;

    let output = worker.stop().await;

    assert_eq!(output.code, Some(0), "{output:?}");
    let waiting = "SELECT state || ' ' || attempt FROM job WHERE priority = 0";
    assert_eq!(database.value(waiting).await, "0 0");
}

#[tokio::test]
async fn an_immediate_restart_of_postgresql_loses_no_job() {
    let mut cluster = migrated_cluster().await;
    let worker = Worker::ready(PROGRAM, &cluster.url(), &[]).await;
    let insert = "INSERT INTO job (kind, priority, timeout_ms, payload)
        SELECT 'maintenance.job_retention', 2, 60000, 'null' FROM generate_series(1, 300)";
    cluster.client().await.batch_execute(insert).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;

    cluster.stop(Stop::Immediate);
    cluster.start_again();

    let count = async |table: &str| {
        let sql = format!("SELECT count(*) FROM {table}");
        let row = cluster.client().await.query_one(&sql, &[]).await.unwrap();
        row.get::<_, i64>(0)
    };
    eventually("all are done", async || {
        count("job WHERE priority = 2").await == 0
    })
    .await;
    assert_eq!(count("job_dead").await, 0);
    worker.stop().await;
}
