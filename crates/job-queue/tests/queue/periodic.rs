//! Schedules: once per slot, whatever races.

use std::time::Duration;

use job_queue::{NewJob, WorkerSettings};

use crate::harness::{Act, Other, Place, job, settings};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_periodic_job_is_enqueued_once_per_slot_even_when_the_leader_dies() {
    let place = Place::new().await;
    let registry = || {
        place
            .registry()
            .every("beat", Duration::from_secs(1), job(Act::Nothing))
    };
    let start = || place.worker_of(settings(), registry(), [1_000; 5]);
    let workers = [start(), start(), start()];

    test_support::eventually("the first slot was entered", async || !place.done().is_empty()).await;
    let leader = workers.iter().find(|worker| worker.status.leader()).unwrap();
    leader.abort();
    let before = place.done().len();
    test_support::eventually("another leads", async || place.done().len() > before + 1).await;

    for worker in workers {
        worker.abort();
    }
    let slots: usize = place
        .database
        .value("SELECT 1 + extract(epoch FROM last_slot)::bigint - (SELECT min(extract(epoch FROM date_trunc('second', started_at)))::bigint FROM job_worker) FROM job_schedule")
        .await
        .parse()
        .unwrap();
    assert!(
        place.done().len() <= slots,
        "{} in {slots} slots",
        place.done().len()
    );
}

#[tokio::test]
async fn missed_slots_become_one_and_a_full_queue_skips_one() {
    let place = Place::new().await;
    place
        .database
        .execute("INSERT INTO job_schedule (name, last_slot) VALUES ('hourly', now() - interval '9 hours')")
        .await;
    let skipped = NewJob::of::<Other>(&())
        .unwrap()
        .overflow(job_queue::Overflow::Skip)
        .priority(job_queue::Priority::Bulk);
    let registry = place
        .registry()
        .every("hourly", Duration::from_secs(3600), job(Act::Nothing))
        .every("skipped", Duration::from_secs(3600), skipped);
    let paused = WorkerSettings {
        filter: "CRITICAL".parse().unwrap(),
        ..settings()
    };
    place
        .enqueue(&[job(Act::Nothing).priority(job_queue::Priority::Bulk)])
        .await;

    let worker = place.worker_of(paused, registry, [1; 5]);

    place
        .until(
            "both slots passed",
            "job_schedule WHERE last_slot > now() - interval '1 hour'",
            2,
        )
        .await;
    worker.stop().await;
    assert_eq!(place.count("job WHERE kind = 'test.scripted'").await, 2);
}

#[tokio::test]
async fn a_leader_that_its_settings_pause_keeps_no_periodic_job_from_the_others() {
    let place = Place::new().await;
    let registry = || {
        place
            .registry()
            .every("beat", Duration::from_secs(1), job(Act::Nothing))
    };
    let paused = WorkerSettings {
        enabled: false,
        ..settings()
    };
    let leader = place.worker_of(paused, registry(), [1_000; 5]);
    test_support::eventually("the paused one leads", async || leader.status.leader()).await;

    let other = place.worker_of(settings(), registry(), [1_000; 5]);

    test_support::eventually("two slots were entered", async || place.done().len() > 1).await;
    other.stop().await;
    leader.stop().await;
}
