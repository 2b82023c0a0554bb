//! Failed attempts, dead letters, results, cancelling.

use job_queue::{CancelTarget, Cancelled, Kind, NewJob, Priority};
use uuid::Uuid;

use crate::harness::{Act, Place, job, settings};

#[tokio::test]
async fn a_failed_attempt_is_repeated_until_the_attempts_are_used_up() {
    let place = Place::new().await;
    let worker = place.worker(settings());

    let ids = place.enqueue(&[job(Act::Fail), job(Act::FailUntil(3))]).await;

    place.until("the queue is empty", "job", 0).await;
    let dead = place
        .database
        .rows(
            "SELECT id, reason, attempt, last_error, jsonb_array_length(attempts), attempts->2->>'error',
                (SELECT count(*) FROM jsonb_array_elements(attempts) AS failed WHERE (failed->>'ms')::int BETWEEN 0 AND 20000)
             FROM job_dead",
        )
        .await;
    let failed = "scripted: it failed";
    assert_eq!(
        dead,
        [[&*ids[0].to_string(), "exhausted", "3", failed, "3", failed, "3"]]
    );
    assert_eq!(place.done(), [(ids[1], 3)]);
    test_support::eventually("all is counted", async || {
        worker.metric("jobs_completed_total") == 1.0
    })
    .await;
    assert_eq!(worker.metric("jobs_started_total"), 6.0);
    assert_eq!(worker.metric("reporting_job_failed"), 5.0);
    assert_eq!(worker.metric("jobs_retried_total"), 4.0);
    assert_eq!(worker.metric("jobs_dead_total"), 1.0);
    worker.stop().await;
}

#[tokio::test]
async fn permanent_errors_bad_payloads_panics_and_time_limits_are_told_apart() {
    let place = Place::new().await;
    let worker = place.worker(settings());
    let kind = <crate::harness::Scripted as job_queue::Job>::KIND;
    let once = |act| NewJob::raw(kind.max_attempts(1), serde_json::to_string(&act).unwrap());
    let quick: Kind = kind.max_attempts(1).timeout(std::time::Duration::from_millis(50));

    place.enqueue(&[job(Act::Refuse)]).await;
    place
        .enqueue(&[NewJob::raw(kind, r#"{"juggle": 3}"#.to_owned())])
        .await;
    place.enqueue(&[once(Act::Panic)]).await;
    place
        .enqueue(&[NewJob::raw(quick, r#"{"sleep": 60000}"#.to_owned())])
        .await;

    place.until("all four are dead letters", "job_dead", 4).await;
    let dead = place
        .database
        .rows("SELECT reason, attempt, last_error FROM job_dead ORDER BY id")
        .await;
    assert_eq!(dead[0], ["permanent", "1", "never"]);
    assert_eq!(dead[1][0], "permanent");
    assert!(
        dead[1][2].starts_with("not a payload of test.scripted: unknown variant"),
        "{dead:?}"
    );
    assert_eq!(dead[2], ["exhausted", "1", "panic: scripted panic"]);
    assert_eq!(dead[3], ["exhausted", "1", "no end within 50 ms"]);
    let took = "SELECT (attempts->0->>'ms')::int >= 50 FROM job_dead WHERE last_error LIKE 'no end%'";
    assert_eq!(place.database.value(took).await, "t");
    place.enqueue(&[job(Act::Nothing)]).await;
    place.until("the worker goes on", "job", 0).await;
    worker.stop().await;
}

#[tokio::test]
async fn an_end_that_cannot_be_stored_keeps_no_other_from_it() {
    let place = Place::new().await;
    let [public, other] = [Uuid::now_v7(), Uuid::now_v7()];
    let ids = place
        .enqueue(&[
            job(Act::Result("before".to_owned())).public(other),
            job(Act::Nul).public(public),
            job(Act::FailNul),
            job(Act::Nothing),
        ])
        .await;

    let worker = place.worker(settings());

    place.until("the others ended", "job", 1).await;
    let failed = "job WHERE state = 0 AND last_error IS NOT NULL";
    place.until("it waits for another attempt", failed, 1).await;
    let dead = place
        .database
        .rows("SELECT id, reason, attempt, last_error FROM job_dead")
        .await;
    let refused = "its end could not be stored: db error: ERROR: unsupported Unicode escape sequence";
    assert_eq!(
        (dead.len(), &dead[0][..3]),
        (
            1,
            &[ids[1].to_string(), "permanent".to_owned(), "1".to_owned()][..]
        )
    );
    assert!(dead[0][3].starts_with(refused), "{dead:?}");
    let waits = "SELECT id, last_error, run_at > now() + interval '99 years' FROM job";
    assert_eq!(
        place.database.rows(waits).await,
        [[&*ids[2].to_string(), "a\u{fffd}b", "t"]]
    );
    assert_eq!(place.count("job_result").await, 1);
    test_support::eventually("all is counted", async || worker.metric("jobs_dead_total") == 1.0).await;
    assert_eq!(
        (
            worker.metric("jobs_failed_total"),
            worker.metric("jobs_stale_total")
        ),
        (2.0, 0.0)
    );
    worker.stop().await;
}

#[tokio::test]
async fn a_snoozed_attempt_does_not_count() {
    let place = Place::new().await;
    let worker = place.worker(settings());

    place.enqueue(&[job(Act::Snooze)]).await;

    place
        .until(
            "it waits again",
            "job WHERE state = 0 AND attempt = 0 AND run_at > now() + interval '50 min'",
            1,
        )
        .await;
    worker.stop().await;
}

#[tokio::test]
async fn a_public_job_is_seen_queued_running_and_done_with_its_result() {
    let place = Place::new().await;
    let (key, public, waiting) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    let mut connection = place.database.database().connect_diesel().await.unwrap();
    place
        .enqueue(&[job(Act::Result("report".into())).owner(key).public(public)])
        .await;
    let queued = job_queue::find_public(&mut connection, public)
        .await
        .unwrap()
        .unwrap();

    let worker = place.worker(settings());
    place.until("its result is kept", "job_result", 1).await;
    let done = job_queue::find_public(&mut connection, public)
        .await
        .unwrap()
        .unwrap();
    place.enqueue(&[job(Act::Wait).public(waiting)]).await;
    place
        .until("its progress is stored", "job WHERE progress IS NOT NULL", 1)
        .await;
    let running = job_queue::find_public(&mut connection, waiting)
        .await
        .unwrap()
        .unwrap();
    let unknown = job_queue::find_public(&mut connection, Uuid::now_v7())
        .await
        .unwrap();

    assert_eq!(
        (&*queued.state, queued.api_key_id, queued.attempt),
        ("queued", Some(key), 0)
    );
    assert_eq!(
        (&*done.state, done.api_key_id, done.attempt),
        ("done", Some(key), 1)
    );
    assert_eq!(done.result.unwrap()["text"], "report");
    assert_eq!(
        (&*running.state, running.progress.unwrap()["rows"].as_i64()),
        ("running", Some(7))
    );
    assert!(unknown.is_none());
    let asked = job_queue::cancel(&mut connection, CancelTarget::Public(waiting))
        .await
        .unwrap();
    assert!(matches!(asked, Some(Cancelled::Running(_))), "{asked:?}");
    place
        .until(
            "it is cancelled",
            "job_dead WHERE reason = 'cancelled' AND attempt = 1",
            1,
        )
        .await;
    worker.stop().await;
}

#[tokio::test]
async fn a_queued_job_is_cancelled_at_once_and_only_once() {
    let place = Place::new().await;
    let ids = place.enqueue(&[job(Act::Nothing).priority(Priority::Bulk)]).await;
    let mut connection = place.database.database().connect_diesel().await.unwrap();

    let first = job_queue::cancel(&mut connection, CancelTarget::Id(ids[0]))
        .await
        .unwrap();
    let second = job_queue::cancel(&mut connection, CancelTarget::Id(ids[0]))
        .await
        .unwrap();

    assert_eq!((first, second), (Some(Cancelled::Queued(ids[0])), None));
    assert_eq!(place.count("job").await, 0);
    assert_eq!(
        place
            .count("job_dead WHERE reason = 'cancelled' AND attempt = 0")
            .await,
        1
    );
}
