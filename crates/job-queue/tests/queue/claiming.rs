//! Claims: priorities, filters, pauses, several workers.

use std::collections::HashSet;
use std::time::Duration;

use job_queue::{NewJob, Priority, Registry, WorkerSettings, operate};
use test_support::eventually;

use crate::harness::{Act, Other, Place, Scripted, Working, job, settings};

#[tokio::test]
async fn a_full_house_of_bulk_never_blocks_critical() {
    let place = Place::new().await;
    let worker = place.worker(settings());
    let bulk: Vec<NewJob> = (0..20)
        .map(|_| job(Act::Sleep(60_000)).priority(Priority::Bulk))
        .collect();
    place.enqueue(&bulk).await;
    place
        .until("three of four slots are full", "job WHERE state = 1", 3)
        .await;

    let urgent = place
        .enqueue(&[job(Act::Nothing).priority(Priority::Critical)])
        .await;

    eventually("the urgent job was run", async || {
        place.done() == [(urgent[0], 1)]
    })
    .await;
    place.until("three go on", "job WHERE state = 1", 3).await;
    worker.abort();
}

#[tokio::test]
async fn bulk_does_not_starve_while_critical_never_ends() {
    let place = Place::new().await;
    let critical: Vec<NewJob> = (0..4_000)
        .map(|_| job(Act::Sleep(1)).priority(Priority::Critical))
        .collect();
    place.enqueue(&critical).await;
    let bulk = place.enqueue(&[job(Act::Nothing).priority(Priority::Bulk)]).await;

    let worker = place.worker(settings());

    eventually("the bulk job was run", async || {
        place.done().contains(&(bulk[0], 1))
    })
    .await;
    let before = place.done().iter().position(|done| done.0 == bulk[0]).unwrap();
    assert!(before < 300, "{before} of 4000 came first");
    worker.abort();
}

#[tokio::test]
async fn the_filter_is_kept_to_and_urgent_jobs_come_first() {
    let place = Place::new().await;
    let low = place.enqueue(&[job(Act::Nothing).priority(Priority::Low)]).await;
    let high = place.enqueue(&[job(Act::Nothing).priority(Priority::High)]).await;
    let critical = place
        .enqueue(&[job(Act::Nothing).priority(Priority::Critical)])
        .await;

    let worker = place.worker(WorkerSettings {
        filter: "critical, HIGH".parse().unwrap(),
        slots: 1,
        ..settings()
    });

    place.until("only the low one waits", "job", 1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    worker.stop().await;
    assert_eq!(place.done(), [(critical[0], 1), (high[0], 1)]);
    assert_eq!(
        place
            .count(&format!("job WHERE id = {} AND attempt = 0", low[0]))
            .await,
        1
    );
}

#[tokio::test]
async fn kinds_that_this_build_does_not_know_or_is_too_old_for_are_left_alone() {
    let place = Place::new().await;
    place
        .enqueue(&[
            NewJob::of::<Other>(&()).unwrap(),
            job(Act::Nothing).min_build(job_queue::BUILD + 1),
        ])
        .await;
    let known = place.enqueue(&[job(Act::Nothing)]).await;
    let registry = Registry::new().job(Scripted(place.done.clone()));

    let worker = place.worker_of(settings(), registry, [1_000; 5]);

    eventually("the known job was run", async || place.done() == [(known[0], 1)]).await;
    worker.stop().await;
    assert_eq!(place.count("job WHERE state = 0 AND attempt = 0").await, 2);
}

#[tokio::test]
async fn a_pause_stops_its_scope_and_nothing_else() {
    let place = Place::new().await;
    let worker = place.worker(settings());
    let mut connection = place.database.database().connect_diesel().await.unwrap();
    operate::pause(&mut connection, "kind:test.other", "test", "why")
        .await
        .unwrap();
    operate::pause(&mut connection, "priority:LOW", "test", "why")
        .await
        .unwrap();
    knows(&worker, 2).await;

    place
        .enqueue(&[
            NewJob::of::<Other>(&()).unwrap(),
            job(Act::Nothing).priority(Priority::Low),
        ])
        .await;
    place.enqueue(&[job(Act::Nothing)]).await;

    eventually("what is not paused was run", async || place.done().len() == 1).await;
    assert_eq!(place.count("job WHERE attempt = 0").await, 2);
    operate::pause(&mut connection, "*", "test", "why").await.unwrap();
    knows(&worker, 3).await;
    for scope in ["kind:test.other", "priority:LOW"] {
        assert!(operate::resume(&mut connection, scope).await.unwrap().is_some());
    }
    knows(&worker, 1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(place.count("job WHERE attempt = 0").await, 2);
    operate::resume(&mut connection, "*").await.unwrap();
    place.until("all are completed", "job", 0).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_under_load_holds_what_waits_and_loses_nothing() {
    let place = Place::new().await;
    let jobs: Vec<NewJob> = (0..2_000)
        .map(|number| job(Act::Sleep(5)).priority(Priority::ALL[number % 5]))
        .collect();
    let ids: HashSet<i64> = place.enqueue(&jobs).await.into_iter().collect();
    let worker = place.worker(WorkerSettings {
        slots: 8,
        ..settings()
    });
    let mut connection = place.database.database().connect_diesel().await.unwrap();

    for done in [100, 300] {
        eventually("it works", async || place.done().len() >= done).await;
        operate::pause(&mut connection, "*", "test", "why").await.unwrap();
        knows(&worker, 1).await;
        place.until("what ran has ended", "job WHERE state = 1", 0).await;
        let (run, waiting) = (place.done().len(), place.count("job").await);
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!((place.done().len(), place.count("job").await), (run, waiting));
        assert!(waiting > 0, "the pause came in the middle");
        operate::resume(&mut connection, "*").await.unwrap();
    }

    place.until("all are completed", "job", 0).await;
    worker.stop().await;
    let done = place.done();
    assert_eq!(done.len(), 2_000);
    assert_eq!(done.iter().map(|(id, _)| *id).collect::<HashSet<_>>(), ids);
    assert!(done.iter().all(|(_, attempt)| *attempt == 1));
}

/// The worker has read so many pauses, and the claim that was in progress is over.
async fn knows(worker: &Working, pauses: usize) {
    eventually("the worker knows", async || {
        worker.status.paused().len() == pauses
    })
    .await;
    let since = tokio::time::Instant::now();
    eventually("another claim", async || {
        worker.status.turn_age() < since.elapsed()
    })
    .await;
}

#[tokio::test]
async fn a_disabled_worker_claims_nothing() {
    let place = Place::new().await;
    let worker = place.worker(WorkerSettings {
        enabled: false,
        ..settings()
    });
    place.enqueue(&[job(Act::Nothing)]).await;

    eventually("it lives", async || place.count("job_worker").await == 1).await;
    tokio::time::sleep(Duration::from_millis(500)).await;

    assert_eq!(place.count("job WHERE attempt = 0").await, 1);
    assert!(!worker.status.enabled());
    worker.stop().await;
}

/// 8 workers and 2,000 jobs, of which each is run once; `soak` has 50 and 20,000.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_workers_run_each_job_once() {
    each_once(8, 2_000).await;
}

pub(crate) async fn each_once(workers: usize, jobs: usize) {
    let place = Place::new().await;
    let new: Vec<NewJob> = (0..jobs)
        .map(|number| job(Act::Nothing).priority(Priority::ALL[number % 5]))
        .collect();
    let ids: HashSet<i64> = place.enqueue(&new).await.into_iter().collect();

    let workers: Vec<_> = (0..workers)
        .map(|_| {
            place.worker(WorkerSettings {
                slots: 20,
                heartbeat: Duration::from_secs(5),
                ..settings()
            })
        })
        .collect();

    let deadline = tokio::time::Instant::now() + Duration::from_secs(300);
    while place.count("job").await > 0 {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for worker in workers {
        worker.stop().await;
    }
    let done = place.done();
    assert_eq!(done.len(), jobs);
    assert_eq!(done.iter().map(|(id, _)| *id).collect::<HashSet<_>>(), ids);
    assert!(done.iter().all(|(_, attempt)| *attempt == 1));
    assert_eq!(place.count("job_worker").await, 0);
}
