//! `operator.bulk`: what operators do to many dead letters.

use test_support::{TestDatabase, Worker};

use crate::faults::holding;
use crate::harness::PROGRAM;

/// Dead letters of two kinds, more than one piece of each; the worker knows neither kind.
async fn database(action: &str) -> TestDatabase {
    let database = TestDatabase::migrated().await;
    database
        .execute(&format!(
            "INSERT INTO job_dead (id, kind, priority, created_at, died_at, reason, attempt, rescues, timeout_ms, payload, min_build)
             SELECT n, CASE WHEN n % 2 = 0 THEN 'kind.even' ELSE 'kind.odd' END, 2, now(), now() - interval '1 h', 'permanent', 1, 0,
                 1000, 'null', 0 FROM generate_series(100000, 123999) AS n;
             INSERT INTO job (kind, priority, timeout_ms, payload)
             VALUES ('operator.bulk', 1, 60000, '{{\"action\": \"{action}\", \"kind\": \"kind.even\", \"key_id\": null}}')"
        ))
        .await;
    database
}

const DEAD: &str = "
    SELECT string_agg(line, ', ' ORDER BY line) FROM (
        SELECT kind || ' ' || count(*) AS line FROM job_dead WHERE replayed_as IS NULL GROUP BY kind
    ) AS lines";
const BULK_JOBS: &str = "SELECT count(*) FROM job WHERE kind = 'operator.bulk'";
const RUNNING: &str = "SELECT count(*) FROM job WHERE kind = 'operator.bulk' AND state = 1";
const RECORDED: &str = "SELECT sum((after ->> 'number')::int) FROM operator_actions WHERE via = 'console'";

#[tokio::test]
async fn all_of_a_kind_are_purged_in_pieces_that_are_on_record() {
    let database = database("purge").await;
    let worker = Worker::ready(PROGRAM, database.url(), &[]).await;

    database.until("one kind is gone", DEAD, "kind.odd 12000").await;
    database.until("all pieces are recorded", RECORDED, "12000").await;
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_that_is_killed_in_between_replays_none_twice() {
    let database = database("replay").await;
    // The record of a piece waits for this, and its transaction with it.
    let held = holding(&database).await;
    let killed = Worker::ready(PROGRAM, database.url(), &[]).await;
    database.until("it runs", RUNNING, "1").await;
    killed.process.signal("KILL");
    drop(held);
    let worker = Worker::ready(PROGRAM, database.url(), &[]).await;

    let rescued = "SELECT count(*) FROM job WHERE kind = 'operator.bulk' AND rescues = 0";
    database
        .until("the lost worker's job is rescued", rescued, "0")
        .await;
    database
        .until("one kind is replayed", DEAD, "kind.odd 12000")
        .await;
    let queued = "SELECT count(*) || ' ' || count(DISTINCT id) FROM job WHERE kind = 'kind.even'";
    assert_eq!(database.value(queued).await, "12000 12000");
    let twice = "SELECT count(*) - count(DISTINCT replayed_as) FROM job_dead WHERE replayed_as IS NOT NULL";
    assert_eq!(database.value(twice).await, "0");
    worker.stop().await;
}

#[tokio::test]
async fn a_replay_that_is_stopped_half_way_keeps_what_it_did_and_another_goes_on() {
    let database = database("replay").await;
    let of_all = "UPDATE job SET payload = '{\"action\": \"replay\", \"kind\": null, \"key_id\": null}' WHERE kind = 'operator.bulk'";
    database.execute(of_all).await;
    // The first piece takes a while.
    let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_sleep(1.5); RETURN NEW; END';
        CREATE TRIGGER slow BEFORE INSERT ON operator_actions FOR EACH ROW EXECUTE FUNCTION slow()";
    database.execute(slow).await;
    let worker = Worker::ready(PROGRAM, database.url(), &[]).await;
    database.until("it runs", RUNNING, "1").await;
    // A running attempt is asked every 100 ms, once it has run for half a second.
    database
        .execute("UPDATE job SET cancel_requested_at = now() WHERE kind = 'operator.bulk'")
        .await;

    let stopped = "SELECT string_agg(reason, ' ') FROM job_dead WHERE kind = 'operator.bulk'";
    database.until("it is stopped", stopped, "cancelled").await;
    let replayed = "SELECT count(replayed_as) FROM job_dead";
    assert_eq!(database.value(replayed).await, "5000");

    database.execute("DROP TRIGGER slow ON operator_actions").await;
    let again = "INSERT INTO job (kind, priority, timeout_ms, payload)
        VALUES ('operator.bulk', 1, 60000, '{\"action\": \"replay\", \"kind\": null, \"key_id\": null}')";
    database.execute(again).await;
    database.until("the rest is replayed", replayed, "24000").await;
    let queued = "SELECT count(*) || ' ' || count(DISTINCT id) FROM job WHERE kind LIKE 'kind.%'";
    assert_eq!(database.value(queued).await, "24000 24000");
    // Another replay of everything would have begun with the stopped one.
    database.until("no bulk job is left", BULK_JOBS, "0").await;
    assert_eq!(database.value(DEAD).await, "operator.bulk 1");
    worker.stop().await;
}

#[tokio::test]
async fn only_those_that_the_filter_matched_are_replayed_and_none_that_died_later() {
    let database = database("purge").await;
    database
        .execute(
            "UPDATE job_dead SET reason = 'exhausted', last_error = 'HTTP 503' WHERE id % 4 = 0;
             UPDATE job_dead SET died_at = now() + interval '1 min' WHERE id % 8 = 0;
             UPDATE job SET payload = payload || '{\"kind\": null, \"reason\": \"exhausted\", \"error\": \"503\", \"number\": 3000}'",
        )
        .await;
    let worker = Worker::ready(PROGRAM, database.url(), &[]).await;

    let left = "SELECT count(*) || ' ' || count(*) FILTER (WHERE last_error IS NOT NULL) FROM job_dead";
    database
        .until("those that match are gone", left, "21000 3000")
        .await;
    database.until("it is done", BULK_JOBS, "0").await;
    assert_eq!(database.value(left).await, "21000 3000");
    let target = "SELECT DISTINCT target FROM operator_actions";
    assert_eq!(
        database.value(target).await,
        "dead letters reason:exhausted error:503"
    );
    worker.stop().await;
}
