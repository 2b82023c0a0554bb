//! The kinds `maintenance.*`.

use test_support::{TestDatabase, Worker};

use crate::harness::{PROGRAM, jobs_json};

#[tokio::test]
async fn the_purge_removes_expired_keys_and_no_others_and_the_schedule_starts_it() {
    let database = TestDatabase::migrated().await;
    database
        .execute(
            "INSERT INTO idempotency_keys (api_key_id, key, request_hash, order_id, response, expires_at)
             SELECT gen_random_uuid(), 'k' || number, sha256(''), gen_random_uuid(), '',
                 now() + CASE WHEN number <= 6000 THEN interval '-1 s' ELSE interval '1 h' END
             FROM generate_series(1, 6010) AS number",
        )
        .await;

    let worker = Worker::ready(PROGRAM, database.url(), &[("IDEMPOTENCY_SWEEP_IN", "workers")]).await;

    database
        .until("ten are left", "SELECT count(*) FROM idempotency_keys", "10")
        .await;
    let schedules = jobs_json(&database, "schedules").await;
    let names: Vec<&str> = schedules
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    assert!(
        names.contains(&"idempotency_purge") && names.contains(&"job_retention"),
        "{names:?}"
    );
    worker.stop().await;
}

#[tokio::test]
async fn retention_removes_what_is_beyond_its_age() {
    let database = TestDatabase::migrated().await;
    database
        .execute(
            "INSERT INTO operator_actions (at, via, action, target, outcome)
             VALUES (now() - interval '2 days', 'cli', 'old', 't', 'done'), (now(), 'cli', 'new', 't', 'done');
             INSERT INTO job_result (public_id, job_id, kind, created_at, finished_at, attempt, outcome, result)
             SELECT gen_random_uuid(), number, 'k', now(), now() - number * interval '1 h', 1, 'done', '{}'
             FROM generate_series(0, 3) AS number",
        )
        .await;

    let environment = [("JOBS_AUDIT_RETENTION", "86400"), ("JOBS_RETENTION", "5400")];
    let worker = Worker::ready(PROGRAM, database.url(), &environment).await;

    database
        .until("two results are left", "SELECT count(*) FROM job_result", "2")
        .await;
    database
        .until(
            "the new action is left",
            "SELECT string_agg(action, ' ') FROM operator_actions",
            "new",
        )
        .await;
    worker.stop().await;
}
