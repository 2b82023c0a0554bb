//! Faults: lost workers, stale ends, drains, lost connections, restarts.

use std::time::Duration;

use job_queue::{NewJob, WorkerSettings};
use test_support::eventually;
use tokio::time::Instant;

use crate::harness::{Act, Place, job, settings};

#[tokio::test]
async fn a_job_of_a_lost_worker_is_run_again_and_the_third_time_it_is_poison() {
    let place = Place::new().await;
    let ids = place
        .enqueue(&[
            job(Act::Nothing).priority(job_queue::Priority::Critical),
            job(Act::Nothing),
        ])
        .await;
    place
        .database
        .execute(
            "UPDATE job SET state = 1, locked_by = gen_random_uuid(), locked_at = now(), attempt = 1;
             UPDATE job SET rescues = 2, attempt = 3 WHERE priority = 2",
        )
        .await;

    let worker = place.worker(settings());

    eventually("the first was run again", async || place.done() == [(ids[0], 2)]).await;
    place
        .until(
            "the other is poison",
            "job_dead WHERE reason = 'poison' AND rescues = 3",
            1,
        )
        .await;
    eventually("both are counted", async || {
        worker.metric("jobs_rescued_total") == 2.0
    })
    .await;
    worker.stop().await;
}

#[tokio::test]
async fn a_silent_worker_loses_its_jobs_and_its_late_ends_are_refused() {
    let place = Place::new().await;
    let frozen = place.worker(settings());
    place.enqueue(&[job(Act::Sleep(600))]).await;
    place.until("it runs", "job WHERE state = 1", 1).await;

    // What another worker does after a silence: the attempt is a later one, and another worker's.
    place
        .database
        .execute("UPDATE job SET attempt = 2, locked_by = gen_random_uuid()")
        .await;

    eventually("the late end was refused", async || {
        frozen.metric("jobs_stale_total") == 1.0
    })
    .await;
    assert_eq!(frozen.metric("jobs_completed_total"), 0.0);
    frozen.stop().await;
}

#[tokio::test]
async fn attempts_far_beyond_their_time_limit_are_taken_from_a_worker_that_lives() {
    let place = Place::new().await;
    let ids = place.enqueue(&[job(Act::Nothing)]).await;
    place
        .database
        .execute(
            "INSERT INTO job_worker (id, pool, pod, version, filter, slots, heartbeat_at)
             VALUES ('00000000-0000-0000-0000-000000000001', 'p', 'p', '0', '', 4, now() + interval '1 hour');
             UPDATE job SET state = 1, locked_by = '00000000-0000-0000-0000-000000000001', attempt = 1,
                 locked_at = now() - interval '31 s'",
        )
        .await;

    let worker = place.worker(settings());

    eventually("it was run again", async || place.done() == [(ids[0], 2)]).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_finishes_what_it_can_and_gives_the_rest_back_uncounted() {
    let place = Place::new().await;
    let worker = place.worker(WorkerSettings {
        slots: 100,
        drain: Duration::from_secs(3),
        ..settings()
    });
    let mut jobs: Vec<NewJob> = (0..50).map(|_| job(Act::Sleep(500))).collect();
    jobs.extend((0..49).map(|_| job(Act::Sleep(60_000))));
    place.enqueue(&jobs).await;
    place.until("all were claimed", "job WHERE attempt = 0", 0).await;
    place.enqueue(&[job(Act::Nothing)]).await;

    let started = Instant::now();
    worker.stop().await;

    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
    assert!(place.done().len() >= 50);
    let left = 100 - i64::try_from(place.done().len()).unwrap();
    assert_eq!(place.count("job WHERE state = 0 AND attempt = 0").await, left);
    assert_eq!(
        (place.count("job").await, place.count("job_worker").await),
        (left, 0)
    );
}

#[tokio::test]
async fn without_notifications_jobs_are_found_by_looking() {
    let place = Place::new().await;
    let worker = place.worker(WorkerSettings {
        poll: Duration::from_secs(1),
        ..settings()
    });
    eventually("it lives", async || place.count("job_worker").await == 1).await;
    let ended = "pg_stat_activity, pg_terminate_backend(pid) WHERE datname = current_database() AND query LIKE '%job%' AND pid <> pg_backend_pid()";
    assert!(place.count(ended).await > 0);

    let started = Instant::now();
    // Not through the pool, whose connections were ended as well.
    let insert = "INSERT INTO job (kind, priority, timeout_ms, payload) VALUES ('test.scripted', 2, 1000, '\"nothing\"')";
    place.database.execute(insert).await;

    eventually("it was run", async || !place.done().is_empty()).await;
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    worker.stop().await;
}

#[tokio::test]
async fn a_notification_starts_a_job_at_once() {
    let place = Place::new().await;
    let quiet = WorkerSettings {
        poll: Duration::from_secs(30),
        ..settings()
    };
    let worker = place.worker(quiet);
    eventually("it listens", async || {
        place.count("pg_stat_activity WHERE datname = current_database() AND query LIKE 'SELECT scope FROM job_control%'").await > 0
    })
    .await;
    let started = Instant::now();
    place.enqueue(&[job(Act::Nothing)]).await;

    place.database.execute("NOTIFY jobs_queued").await;

    eventually("it was run", async || !place.done().is_empty()).await;
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    worker.stop().await;
}

#[tokio::test]
async fn jobs_whose_claim_was_never_answered_are_queued_again() {
    let place = Place::new().await;
    let worker = place.worker(WorkerSettings {
        filter: "CRITICAL".parse().unwrap(),
        ..settings()
    });
    place.enqueue(&[job(Act::Nothing)]).await;
    place.until("it lives", "job_worker", 1).await;

    place
        .database
        .execute(
            "UPDATE job SET state = 1, attempt = 1, locked_at = now() - interval '20 s', locked_by = (SELECT id FROM job_worker)",
        )
        .await;

    place
        .until(
            "it waits again, uncounted",
            "job WHERE state = 0 AND attempt = 0",
            1,
        )
        .await;
    worker.stop().await;
}

/// A source test: what needs the time asks the database, so a worker's clock may be wrong.
#[test]
fn no_statement_takes_the_time_from_the_worker() {
    for (file, text) in [
        ("claim", include_str!("../../src/worker/claim.rs")),
        ("finish", include_str!("../../src/worker/finish.rs")),
        ("control", include_str!("../../src/worker/control.rs")),
        ("store/claim", include_str!("../../src/store/claim.rs")),
        ("store/control", include_str!("../../src/store/control.rs")),
        ("store/finish", include_str!("../../src/store/finish.rs")),
        ("store/enqueue", include_str!("../../src/store/enqueue.rs")),
        ("store/operate", include_str!("../../src/store/operate.rs")),
    ] {
        for clock in ["SystemTime::now", "Utc::now", "Local::now"] {
            assert!(!text.contains(clock), "{file} reads {clock}");
        }
    }
}
