//! The plan of the claim.

use std::time::Duration;

use crate::harness::{Place, settings};

/// A statement as the source has it.
fn constant(source: &'static str, name: &str) -> &'static str {
    let (_, rest) = source.split_once(&format!("{name}: &str = \"")).unwrap();
    rest.split_once("\";").unwrap().0
}

/// The plan that a worker's session has for a statement, executed and rolled back.
async fn plan(place: &Place, statement: &str, values: &str) -> String {
    let client = place.database.client().await;
    let session = constant(include_str!("../../src/worker/mod.rs"), "SESSION");
    client.batch_execute(session).await.unwrap();
    let prepared = format!("PREPARE statement AS {statement}; BEGIN");
    client.batch_execute(&prepared).await.unwrap();
    let explain = format!("EXPLAIN (ANALYZE, BUFFERS) EXECUTE statement ({values})");
    let rows = client.simple_query(&explain).await.unwrap();
    client.batch_execute("ROLLBACK").await.unwrap();
    let plan: Vec<String> = rows
        .iter()
        .filter_map(|row| match row {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        })
        .collect();
    plan.join("\n")
}

async fn plan_of_claim(place: &Place) -> String {
    let claim = constant(include_str!("../../src/store/claim.rs"), "CLAIM");
    let values = "'{0,1,2,3,4}', array_fill('test.scripted'::text, '{5}'), '{20,20,20,20,20}',
        '{20,20,20,20,20}', array_fill('epoch'::timestamptz, '{5}'), '{0,0,0,0,0}', 1, 100, 99,
        '00000000-0000-0000-0000-000000000001', true";
    plan(place, claim, values).await
}

/// 50,000 jobs wait; `soak` has a million.
#[tokio::test]
async fn the_claim_reads_no_table_as_a_whole() {
    look(50_000).await;
}

/// 50,000 jobs of a kind that is paused wait before the others; `soak` has a million.
#[tokio::test]
async fn jobs_of_a_paused_kind_are_not_read() {
    beside_a_paused_kind(50_000).await;
}

/// Whatever the statistics say of running jobs, ends are found by their ids: the index of running
/// jobs holds the entries of all that were completed since the last VACUUM.
#[tokio::test]
async fn ends_of_attempts_are_found_by_id_and_compared_in_linear_time() {
    let place = Place::new().await;
    let worker = "00000000-0000-0000-0000-000000000001";
    place
        .database
        .execute(&format!(
            "INSERT INTO job (kind, priority, timeout_ms, payload)
             SELECT 'test.scripted', 0, 1000, 'null' FROM generate_series(1, 20000);
             ANALYZE job;
             UPDATE job SET state = 1, attempt = 1, locked_by = '{worker}' WHERE id <= 200"
        ))
        .await;
    let ids: Vec<String> = (1..=200).map(|id| id.to_string()).collect();
    let ids = format!("'{{{}}}'", ids.join(","));
    let ones = |kind: &str| format!("array_fill(1::{kind}, '{{200}}')");
    let (attempts, delays) = (ones("smallint"), ones("bigint"));
    let texts = "array_fill('x'::text, '{200}')";
    let finish = include_str!("../../src/store/finish.rs");
    let control = include_str!("../../src/store/control.rs");

    for (name, statement, values) in [
        (
            "complete",
            constant(finish, "COMPLETE"),
            format!("{ids}, {attempts}, '{worker}'"),
        ),
        (
            "fail",
            constant(finish, "FAIL"),
            format!("{ids}, {attempts}, {delays}, array_fill(NULL::text, '{{200}}'), {texts}, '{worker}'"),
        ),
        (
            "release",
            constant(finish, "RELEASE"),
            format!("{ids}, {attempts}, {delays}, '{worker}'"),
        ),
        (
            "progress",
            constant(control, "PROGRESS"),
            format!("{ids}, {attempts}, array_fill('1'::jsonb, '{{200}}'), '{worker}'"),
        ),
    ] {
        let plan = plan(&place, statement, &values).await;
        assert!(
            plan.contains("Index Scan using job_pkey on job"),
            "{name}: {plan}"
        );
        assert!(!plan.contains("job_running_idx"), "{name}: {plan}");
        assert!(!plan.contains("Seq Scan"), "{name}: {plan}");
        if name == "complete" {
            assert!(
                plan.contains("hashed SubPlan") && !plan.contains("Join Filter"),
                "{plan}"
            );
        }
    }
}

/// Returns the plan of a claim of all priorities.
pub(crate) async fn look(jobs: usize) -> String {
    let place = Place::new().await;
    place
        .database
        .execute(&format!(
            "INSERT INTO job (kind, priority, timeout_ms, payload)
             SELECT 'test.scripted', number % 5, 1000, 'null' FROM generate_series(1, {jobs}) AS number;
             ANALYZE job"
        ))
        .await;
    let plan = plan_of_claim(&place).await;
    assert!(plan.contains("Index Scan using job_claim_idx on job"), "{plan}");
    assert!(plan.contains("Index Scan using job_pkey on job"), "{plan}");
    assert!(!plan.contains("Seq Scan"), "{plan}");
    assert!(!plan.contains("Sort Method: external"), "{plan}");
    plan
}

/// The claim reads no more blocks than there are rows to be claimed and levels of the index, and a
/// worker runs what is not paused at once.
pub(crate) async fn beside_a_paused_kind(jobs: usize) {
    let place = Place::new().await;
    place
        .database
        .execute(&format!(
            "INSERT INTO job (kind, priority, timeout_ms, payload, run_at)
             SELECT 'test.other', number % 5, 1000, 'null', now() - interval '1 h'
             FROM generate_series(1, {jobs}) AS number;
             INSERT INTO job (kind, priority, timeout_ms, payload)
             SELECT 'test.scripted', number % 5, 1000, '\"nothing\"' FROM generate_series(1, 100) AS number;
             INSERT INTO job_control (scope, paused_by, reason) VALUES ('kind:test.other', 'test', 'test');"
        ))
        .await;
    place.database.execute("VACUUM ANALYZE job").await;

    let plan = plan_of_claim(&place).await;
    let started = tokio::time::Instant::now();
    let worker = place.worker(settings());
    let paused = i64::try_from(jobs).unwrap();
    place
        .until("what is not paused is done", "job WHERE kind <> 'test.other'", 0)
        .await;

    let blocks = plan
        .lines()
        .find_map(|line| line.trim().strip_prefix("Buffers: shared hit="));
    let blocks: u64 = blocks.unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(blocks < 3_000, "{blocks} blocks: {plan}");
    assert!(
        started.elapsed() < Duration::from_secs(15),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(place.count("job WHERE state = 0 AND attempt = 0").await, paused);
    worker.stop().await;
}
