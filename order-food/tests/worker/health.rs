//! Probes and metrics of a worker.

use test_support::{Stop, TestDatabase, Worker, eventually};

use crate::harness::{PROGRAM, jobs, migrated_cluster};

#[tokio::test]
async fn probes_have_the_form_of_microprofile_and_aliases() {
    let database = TestDatabase::migrated().await;
    let worker = Worker::ready(
        PROGRAM,
        database.url(),
        &[("WORKER_PRIORITY_FILTER", "high, critical")],
    )
    .await;

    let health = worker.json("/q/health").await;

    assert_eq!(health["status"], "UP", "{health}");
    let names: Vec<&str> = health["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| check["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["scheduler", "database", "schema"]);
    let scheduler = &health["checks"][0]["data"];
    assert_eq!(scheduler["enabled"], true);
    assert_eq!(scheduler["priorities"], serde_json::json!(["CRITICAL", "HIGH"]));
    assert_eq!(
        (&scheduler["running"], &scheduler["lastClaim"]),
        (&0.into(), &serde_json::Value::Null)
    );
    for path in [
        "/health",
        "/ready",
        "/q/health/live",
        "/q/health/ready",
        "/q/health/started",
        "/q/health/",
    ] {
        let output = worker.get(path).await;
        assert_eq!(output.code, Some(0), "{path}: {output:?}");
        assert!(output.stdout.contains(r#""status":"UP""#), "{path}: {output:?}");
    }
    assert_eq!(worker.get("/api/product").await.code, Some(1));
    let output = worker.stop().await;
    assert_eq!((output.code, output.signal), (Some(0), None), "{output:?}");
    assert_eq!(database.value("SELECT count(*) FROM job_worker").await, "0");
}

#[tokio::test]
async fn metrics_have_both_sets_of_names_and_none_of_the_apis() {
    let database = TestDatabase::migrated().await;
    let worker = Worker::ready(PROGRAM, database.url(), &[]).await;
    jobs(&database, "enqueue maintenance.job_retention --wait").await;
    database
        .until("all is done", "SELECT count(*) FROM job", "0")
        .await;
    let empty = r#"jobs_queue_depth{kind="maintenance.job_retention",priority="bulk"} 0"#;
    test_support::eventually("the leader has counted", async || {
        let text = worker.get("/q/metrics").await.stdout;
        text.contains("jobs_oldest_age_seconds{") && text.contains(empty)
    })
    .await;

    let text = worker.get("/q/metrics").await.stdout;

    for series in [
        r#"jobs_completed_total{kind="maintenance.job_retention",priority="bulk"}"#,
        r#"reporting_job_completed{priority="bulk",queue="maintenance"}"#,
        r#"reporting_job_started{priority="critical",queue="maintenance"} 0"#,
        r#"jobs_queue_depth{kind="maintenance.job_retention",priority="bulk"} 0"#,
        r#"reporting_maintenance_queue_depth{priority="critical"} 0"#,
        "reporting_maintenance_dlq_depth 0",
        r#"reporting_job_duration_bucket{queue="maintenance",le="900"}"#,
        r#"jobs_duration_seconds_count{kind="maintenance.job_retention"}"#,
        r#"jobs_worker_info{filter="CRITICAL,HIGH,DEFAULT,LOW,BULK",pool="general",version=""#,
        r#"jobs_overflow_total{priority="low"} 0"#,
        "jobs_claim_seconds_count",
        "jobs_running 0",
        "jobs_rescued_total 0",
        "jobs_stale_total 0",
        "process_resident_memory_bytes",
        "workers_http_requests_total{",
    ] {
        assert!(
            text.lines().any(|line| line.starts_with(series)),
            "{series} in {text}"
        );
    }
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        for taken in [
            "database_up",
            "http_requests_",
            "order_",
            "dataset_",
            "bootstrap_",
        ] {
            assert!(!line.starts_with(taken), "{line}");
        }
    }
    assert_eq!(worker.get("/metrics").await.code, Some(0));
    worker.stop().await;
}

#[tokio::test]
async fn without_metrics_there_are_none() {
    let database = TestDatabase::migrated().await;
    let worker = Worker::ready(PROGRAM, database.url(), &[("ENABLE_METRICS", "false")]).await;

    let (one, other) = (worker.get("/q/metrics").await, worker.get("/metrics").await);

    assert_eq!((one.code, other.code), (Some(1), Some(1)));
    worker.stop().await;
}

#[tokio::test]
async fn both_names_switch_the_scheduler_off_and_health_stays_up_and_says_so() {
    let database = TestDatabase::migrated().await;
    let (ours, known) = ("JOBS_SCHEDULER_ENABLED", "QUARKUS_SCHEDULER_ENABLED");
    // What one Deployment enables, the other name pauses.
    let pauses: [&[(&str, &str)]; 4] = [
        &[(ours, "false")],
        &[(known, "false")],
        &[(ours, "true"), (known, "false")],
        &[(ours, "false"), (known, "true")],
    ];
    for environment in pauses {
        let worker = Worker::ready(PROGRAM, database.url(), environment).await;

        let enqueued = jobs(&database, "enqueue maintenance.job_retention --wait 1s").await;

        assert_eq!(enqueued.code, Some(8), "{enqueued:?}");
        let health = worker.json("/q/health").await;
        assert_eq!(
            (&health["status"], &health["checks"][0]["data"]["enabled"]),
            (&"UP".into(), &false.into())
        );
        worker.stop().await;
    }
    assert_eq!(
        database.value("SELECT count(*) FROM job WHERE attempt = 0").await,
        "4"
    );
}

#[tokio::test]
async fn a_worker_waits_for_the_schema_and_says_so_on_its_probes() {
    let database = TestDatabase::empty().await;
    let waiting = Worker::start(PROGRAM, database.url(), &[("WAIT_TIMEOUT", "8")]).await;

    let ready = waiting.get("/q/health").await;
    let live = waiting.get("/q/health/live").await;
    waiting.process.signal("USR1");

    assert_eq!((ready.code, live.code), (Some(1), Some(0)), "{ready:?}");
    assert!(ready.stdout.contains(r#""status":"DOWN""#), "{ready:?}");
    let output = waiting.process.wait_output().await;
    assert_eq!(output.code, Some(3), "{output:?}");
    assert!(
        output.stderr.contains("the schema is at version 0 after 8 s"),
        "{output:?}"
    );
}

#[tokio::test]
async fn a_database_that_is_away_is_down_until_it_is_back() {
    let mut cluster = migrated_cluster().await;
    let worker = Worker::ready(PROGRAM, &cluster.url(), &[]).await;

    cluster.stop(Stop::Immediate);
    // It counts as away 15 s after its last answer.
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    eventually("it is down", async || {
        worker.get("/q/health/ready").await.code == Some(1)
    })
    .await;
    let away = worker.json("/q/health").await;
    let live = worker.get("/q/health/live").await;
    cluster.start_again();
    eventually("it is up", async || {
        worker.json("/q/health").await["status"] == "UP"
    })
    .await;

    assert_eq!(
        (&away["status"], &away["checks"][1]["status"]),
        (&"DOWN".into(), &"DOWN".into()),
        "{away}"
    );
    assert_eq!(away["checks"][0]["status"], "UP", "{away}");
    assert_eq!(live.code, Some(0), "{live:?}");
    worker.stop().await;
}
