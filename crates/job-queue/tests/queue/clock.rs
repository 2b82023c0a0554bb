//! A worker whose clock is an hour off: every time in the tables is the server's.
//!
//! Moving the server's clock by an hour is the same to a worker as moving its own.

use std::time::Duration;

use test_support::eventually;

use crate::harness::{Act, Place, job, settings};

/// Statements of later sessions see a `now()` that is off by so much, the defaults of columns too.
async fn skew(place: &Place, interval: &str) {
    let name = place.database.name();
    place
        .database
        .execute(&format!(
            "CREATE SCHEMA skewed;
             CREATE FUNCTION skewed.now() RETURNS timestamptz STABLE PARALLEL SAFE LANGUAGE sql
                 AS $$ SELECT pg_catalog.now() + interval '{interval}' $$;
             ALTER TABLE job ALTER run_at SET DEFAULT skewed.now(), ALTER created_at SET DEFAULT skewed.now();
             ALTER TABLE job_worker ALTER started_at SET DEFAULT skewed.now(), ALTER heartbeat_at SET DEFAULT skewed.now();
             ALTER DATABASE {name} SET search_path = skewed, pg_catalog, public"
        ))
        .await;
}

async fn a_worker_on_a_clock_that_is_off(interval: &str) {
    let place = Place::new().await;
    skew(&place, interval).await;
    let registry = place
        .registry()
        .every("hourly", Duration::from_secs(3600), job(Act::Nothing));
    let ids = place
        .enqueue(&[
            job(Act::Nothing),
            job(Act::FailUntil(2)),
            job(Act::Snooze),
            job(Act::Nothing).after(Duration::from_secs(600)),
        ])
        .await;
    let lost = place.enqueue(&[job(Act::Nothing)]).await;
    place
        .database
        .execute(&format!(
            "UPDATE job SET state = 1, attempt = 1, locked_at = now(), locked_by = gen_random_uuid() WHERE id = {}",
            lost[0]
        ))
        .await;

    let worker = place.worker_of(settings(), registry, [1_000; 5]);

    for done in [(ids[0], 1), (ids[1], 2), (lost[0], 2)] {
        eventually("due jobs are run", async || place.done().contains(&done)).await;
    }
    let waiting = "job WHERE state = 0 AND attempt = 0 AND run_at BETWEEN now() + ";
    place
        .until(
            "the snoozed one waits an hour",
            &format!("{waiting} interval '59 min' AND now() + interval '1 h'"),
            1,
        )
        .await;
    place
        .until(
            "the delayed one waits",
            &format!("{waiting} interval '9 min' AND now() + interval '10 min'"),
            1,
        )
        .await;
    // More than the time after which a silent worker is lost.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(
        place
            .count("job_worker WHERE heartbeat_at > now() - interval '2 s'")
            .await,
        1
    );
    assert_eq!(worker.metric("jobs_rescued_total"), 1.0);
    assert_eq!(worker.metric("jobs_stale_total"), 0.0);
    let slot = "job_schedule WHERE last_slot = date_trunc('hour', now()) AND name = 'hourly'";
    assert_eq!(place.count(slot).await, 1);
    assert_eq!(
        place.done().len(),
        4,
        "three jobs and one slot: {:?}",
        place.done()
    );
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_whose_clock_is_an_hour_slow_works_as_any_other() {
    a_worker_on_a_clock_that_is_off("1 hour").await;
}

#[tokio::test]
async fn a_worker_whose_clock_is_an_hour_fast_works_as_any_other() {
    a_worker_on_a_clock_that_is_off("-1 hour").await;
}
