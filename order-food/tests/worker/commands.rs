//! The commands of operators, their exit codes and their records.

use test_support::{TestDatabase, Worker};

use crate::harness::{PROGRAM, jobs, jobs_json, jobs_with};

const RETENTION: &str = "maintenance.job_retention";

#[tokio::test]
async fn a_job_is_enqueued_shown_listed_run_now_and_cancelled() {
    let database = TestDatabase::migrated().await;

    let enqueued = jobs_json(
        &database,
        &format!("enqueue {RETENTION} --priority low --run-at 2099-01-01T00:00:00Z"),
    )
    .await;
    let id = enqueued["id"].to_string();
    let shown = jobs_json(&database, &format!("show {id}")).await;
    let listed = jobs_json(
        &database,
        &format!("list --kind {RETENTION} --priority LOW --state queued"),
    )
    .await;
    let stats = jobs_json(&database, "stats").await;
    let due = jobs(&database, &format!("run-now {id}")).await;
    let cancelled = jobs_json(&database, &format!("cancel {id}")).await;
    let again = jobs(&database, &format!("cancel {id}")).await;

    assert_eq!(
        (&shown["kind"], &shown["priority"], &shown["state"]),
        (&RETENTION.into(), &"LOW".into(), &"queued".into())
    );
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(
        (
            &stats["queues"][0]["priority"],
            &stats["queues"][0]["queued"],
            &stats["queues"][0]["due"]
        ),
        (&"LOW".into(), &1.into(), &0.into()),
        "{stats}"
    );
    assert_eq!(due.code, Some(0), "{due:?}");
    assert_eq!(cancelled["cancelled"], "queued");
    assert_eq!(again.code, Some(9), "{again:?}");
    let actions = database
        .rows("SELECT action, target, via, outcome FROM operator_actions ORDER BY id")
        .await;
    let job = format!("job {id}");
    assert_eq!(
        actions,
        [
            ["jobs.enqueue", &format!("kind:{RETENTION}"), "cli", "done"],
            ["jobs.run_now", &*job, "cli", "done"],
            ["jobs.cancel", &*job, "cli", "done"],
            ["jobs.cancel", &*job, "cli", "nothing to act on"],
        ]
    );
}

#[tokio::test]
async fn wrong_arguments_are_exit_2_and_what_is_not_there_exit_9() {
    let database = TestDatabase::migrated().await;
    for (arguments, code, said) in [
        ("enqueue no.such_kind", 2, "there is no kind"),
        ("enqueue RETENTION --payload {", 2, "--payload"),
        (
            "enqueue RETENTION --payload [1]",
            2,
            "not a payload of maintenance.job_retention",
        ),
        ("enqueue RETENTION --priority URGENT", 2, "none of CRITICAL, HIGH"),
        ("enqueue RETENTION --run-at tomorrow", 2, "--run-at"),
        (
            "pause everything --reason x",
            2,
            "none of *, priority:NAME, kind:NAME",
        ),
        ("pause kind:no.such --reason x", 2, "there is no kind"),
        ("pause priority:URGENT --reason x", 2, "SCOPE"),
        ("pause *", 2, "--reason"),
        ("pause * --reason ", 2, "--reason"),
        ("list --state RUNNING --limit 0", 2, "--limit"),
        ("resume kind:of.another_build", 2, "there is no kind"),
        ("dead-letters replay", 2, "which dead letters"),
        ("dead-letters purge --all", 2, "--yes"),
        ("dead-letters replay 7", 9, "none of [7]"),
        ("dead-letters show 7", 9, "there is no dead letter 7"),
        ("show 7", 9, "there is no job 7"),
        ("run-now 7", 9, "there is no queued job 7"),
        ("resume *", 9, "is not paused"),
    ] {
        let output = jobs(&database, &arguments.replace("RETENTION", RETENTION)).await;
        assert_eq!(output.code, Some(code), "{arguments}: {output:?}");
        assert!(output.stderr.contains(said), "{arguments}: {output:?}");
    }
    let nobody = jobs_with(
        &database,
        "stats",
        &[("DATABASE_URL", "postgres://a@127.0.0.1:1/x")],
    )
    .await;
    assert_eq!(nobody.code, Some(3), "{nobody:?}");
    let empty = jobs(&TestDatabase::empty().await, "stats").await;
    assert_eq!(empty.code, Some(9), "{empty:?}");
    assert!(empty.stderr.contains("database-migration up"), "{empty:?}");
}

#[tokio::test]
async fn a_pause_of_a_kind_that_another_build_knows_is_ended() {
    let database = TestDatabase::migrated().await;
    let pause =
        "INSERT INTO job_control (scope, paused_by, reason) VALUES ('kind:of.another_build', 'x', 'y')";
    database.execute(pause).await;

    let resumed = jobs(&database, "resume kind:of.another_build").await;

    assert_eq!(resumed.code, Some(0), "{resumed:?}");
    assert_eq!(database.value("SELECT count(*) FROM job_control").await, "0");
}

#[tokio::test]
async fn a_full_queue_refuses_the_command() {
    let database = TestDatabase::migrated().await;
    jobs(&database, &format!("enqueue {RETENTION}")).await;

    let refused = jobs_with(
        &database,
        &format!("enqueue {RETENTION}"),
        &[("JOBS_QUEUE_CAPACITY_BULK", "1")],
    )
    .await;

    assert_eq!(refused.code, Some(8), "{refused:?}");
    assert!(refused.stderr.contains("queue_full"), "{refused:?}");
}

#[tokio::test]
async fn a_pause_is_kept_to_until_it_is_ended_and_a_drain_waits() {
    let database = TestDatabase::migrated().await;
    let worker = Worker::ready(PROGRAM, database.url(), &[]).await;

    let drained = jobs_json(&database, "drain --wait 10s").await;
    let pending = jobs(&database, &format!("enqueue {RETENTION} --wait 1s")).await;
    let stats = jobs_json(&database, "stats").await;
    let metric = worker.metric(r#"jobs_paused{scope="*"}"#).await;
    let resumed = jobs(&database, "resume *").await;

    assert_eq!(drained["running"], 0);
    assert_eq!((pending.code, resumed.code), (Some(8), Some(0)));
    assert_eq!(
        (&stats["paused"][0]["scope"], &stats["paused"][0]["reason"]),
        (&"*".into(), &"drain".into())
    );
    assert!((metric - 1.0).abs() < f64::EPSILON);
    database
        .until("it is run now", "SELECT count(*) FROM job", "0")
        .await;
    worker.stop().await;
}

#[tokio::test]
async fn dead_letters_are_listed_replayed_once_and_purged() {
    let database = TestDatabase::migrated().await;
    database
        .execute(
            "INSERT INTO job_dead (id, kind, priority, created_at, reason, attempt, rescues, timeout_ms, payload, min_build, last_error)
             SELECT number, 'maintenance.job_retention', 4, now(), 'exhausted', 3, 0, 1000, 'null', 0, 'E'
             FROM generate_series(1001, 1003) AS number",
        )
        .await;

    let listed = jobs_json(&database, "dead-letters list").await;
    let one = jobs_json(&database, "dead-letters replay 1001").await;
    let again = jobs(&database, "dead-letters replay 1001").await;
    let kind = jobs_json(
        &database,
        &format!("dead-letters replay --kind {RETENTION} --since 1h --limit 1"),
    )
    .await;
    let purged = jobs_json(&database, "dead-letters purge --all --yes").await;

    assert_eq!(listed.as_array().unwrap().len(), 3);
    assert_eq!((&one["replayed"], again.code), (&1.into(), Some(9)));
    assert_eq!(
        (&kind["replayed"], &kind["jobs"][0]["id"]),
        (&1.into(), &1002.into())
    );
    assert_eq!(purged["purged"], 3);
    assert_eq!(database.value("SELECT count(*) FROM job").await, "2");
    let recorded = "SELECT string_agg(action || ' ' || outcome, ', ' ORDER BY id) FROM operator_actions";
    let recorded = database.value(recorded).await;
    assert!(
        recorded.starts_with("jobs.replay done, jobs.replay nothing to act on, jobs.replay done"),
        "{recorded}"
    );
}
