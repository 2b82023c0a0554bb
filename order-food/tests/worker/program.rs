//! Settings that cannot be used, the log, signals.

use test_support::{TestDatabase, Worker, eventually};

use crate::harness::{PROGRAM, jobs, run};

#[tokio::test]
async fn a_setting_of_jobs_that_cannot_be_used_is_exit_2_and_named() {
    for (name, value) in [
        ("WORKER_PRIORITY_FILTER", "CRITICAL,URGENT"),
        ("WORKER_CONCURRENCY", "0"),
        ("WORKER_CONCURRENCY", "1001"),
        ("WORKER_POOL_SIZE", "0"),
        ("JOBS_POLL_MS", "9"),
        ("JOBS_HEARTBEAT_MS", "99"),
        ("JOBS_RETENTION", "59"),
        ("JOBS_AUDIT_RETENTION", "86399"),
        ("JOBS_QUEUE_CAPACITY_CRITICAL", "0"),
        ("JOBS_QUEUE_CAPACITY_DEFAULT", "1000000001"),
        ("JOBS_RETRY_MAX_ATTEMPTS_CRITICAL", "0"),
        ("JOBS_RETRY_MAX_ATTEMPTS_BULK", "1001"),
        ("JOBS_SCHEDULER_ENABLED", "perhaps"),
        ("IDEMPOTENCY_SWEEP_IN", "nowhere"),
        ("WEBHOOK_ENDPOINT_CONCURRENCY", "0"),
        ("WEBHOOK_ENDPOINT_CONCURRENCY", "101"),
        ("WEBHOOK_SECRET_OVERLAP", "-1"),
        ("WEBHOOK_SECRET_OVERLAP", "2592001"),
        ("WEBHOOK_SWITCH_OFF_AFTER", "2592001"),
        ("WEBHOOK_SWITCH_OFF_AFTER", "3d"),
        ("WEBHOOK_ALLOW_PRIVATE", "perhaps"),
        ("EXPORT_ROWS_PER_SECOND", "10000001"),
    ] {
        let environment = [
            ("DATABASE_URL", "postgres://a:s3cret-word@127.0.0.1:1/food"),
            (name, value),
        ];
        let output = run("worker", &environment).await;
        assert_eq!(output.code, Some(2), "{name}={value}: {output:?}");
        assert_eq!(output.stderr.lines().count(), 1, "{output:?}");
        assert!(output.stderr.contains(name), "{name}={value}: {output:?}");
        assert!(!output.stderr.contains("s3cret-word"), "{output:?}");
    }
}

#[tokio::test]
async fn the_unknown_priority_is_named() {
    let environment = [
        ("DATABASE_URL", "postgres://a@127.0.0.1:1/food"),
        ("WORKER_PRIORITY_FILTER", "CRITICAL,URGENT"),
    ];

    let output = run("worker", &environment).await;

    assert!(
        output
            .stderr
            .contains(r#""URGENT" is none of CRITICAL, HIGH, DEFAULT, LOW, BULK"#),
        "{output:?}"
    );
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_exit_3() {
    let environment = [
        ("DATABASE_URL", "postgres://a@127.0.0.1:1/food"),
        ("PORT", "0"),
        ("BIND_ADDRESS", "127.0.0.1"),
        ("WAIT_TIMEOUT", "1"),
    ];

    let output = run("worker", &environment).await;

    assert_eq!(output.code, Some(3), "{output:?}");
}

#[tokio::test]
async fn sigusr1_writes_what_runs_into_the_log() {
    let database = TestDatabase::migrated().await;
    let worker = Worker::ready(PROGRAM, database.url(), &[]).await;

    worker.process.signal("USR1");

    eventually("it is logged", async || {
        worker
            .process
            .json_lines()
            .iter()
            .any(|line| line["message"] == "jobs running" && line["slots"] == 4)
    })
    .await;
    assert_eq!(worker.stop().await.code, Some(0));
}

#[tokio::test]
async fn two_workers_with_one_pod_name_are_two_workers() {
    let database = TestDatabase::migrated().await;
    let one = Worker::ready(PROGRAM, database.url(), &[]).await;
    let other = Worker::ready(PROGRAM, database.url(), &[("WORKER_POOL", "critical")]).await;

    let listed = jobs(&database, "workers").await;

    assert_eq!(listed.stdout.lines().count(), 3, "{listed:?}");
    let distinct = "SELECT count(DISTINCT pod) || ' ' || count(*) FROM job_worker";
    assert_eq!(database.value(distinct).await, "1 2");
    one.stop().await;
    database
        .until(
            "one is left",
            "SELECT string_agg(pool, ' ') FROM job_worker",
            "critical",
        )
        .await;
    other.stop().await;
}

#[tokio::test]
async fn settings_are_printed_without_secrets() {
    let environment = [
        ("DATABASE_URL", "postgres://a:s3cret-word@127.0.0.1:1/food"),
        ("QUARKUS_SCHEDULER_ENABLED", "false"),
    ];

    let output = run("settings", &environment).await;

    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(!output.stdout.contains("s3cret-word"), "{output:?}");
    for line in [
        "jobs.scheduler_enabled = false  # QUARKUS_SCHEDULER_ENABLED",
        "database.url = (set, not shown)  # DATABASE_URL",
        "jobs.queue_capacity.critical = 1000",
        "rate_limit.per_key = 0",
    ] {
        assert!(
            output.stdout.lines().any(|found| found == line),
            "{line}: {}",
            output.stdout
        );
    }
}
