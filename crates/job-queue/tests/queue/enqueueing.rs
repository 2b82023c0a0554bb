//! Enqueueing: three forms, transactions, unique keys, capacities.

use std::time::Duration;

use database::Database;
use database::pool::Pool;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use job_queue::{Columns, NewJob, Overflow, Priority, Queue, QueueFull};
use test_support::{Pooler, Pooling};
use tokio_postgres::types::ToSql;

use crate::harness::{Act, Other, Place, job, settings};

#[tokio::test]
async fn a_rolled_back_transaction_leaves_no_job_and_a_committed_one_exactly_one() {
    let place = Place::new().await;
    let worker = place.worker(settings());
    let mut connection = place.database.database().connect_diesel().await.unwrap();
    let mut client = place.database.client().await;

    for commit in [false, true] {
        let outcome = connection
            .transaction(async |connection: &mut AsyncPgConnection| {
                job_queue::enqueue(connection, &[job(Act::Nothing)]).await?;
                match commit {
                    true => Ok(()),
                    false => Err(diesel::result::Error::RollbackTransaction),
                }
            })
            .await;
        assert_eq!(outcome.is_ok(), commit);
        let transaction = client.transaction().await.unwrap();
        job_queue::enqueue_on(&transaction, &[job(Act::Nothing)])
            .await
            .unwrap();
        match commit {
            true => transaction.commit().await.unwrap(),
            false => transaction.rollback().await.unwrap(),
        }
    }
    place.enqueue(&[job(Act::Nothing)]).await;

    test_support::eventually("three jobs were run", async || place.done().len() >= 3).await;
    place.until("all are completed", "job", 0).await;
    worker.stop().await;
    assert_eq!(place.done().len(), 3);
}

#[tokio::test]
async fn a_larger_statement_stores_rows_and_their_jobs_together() {
    let place = Place::new().await;
    let client = place.database.client().await;
    let statement = format!(
        "WITH placed AS (SELECT unnest($1::bigint[]) AS number), queued AS ({}) SELECT count(*) FROM placed",
        Columns::insert(
            2,
            ", unnest($14::bigint[]) AS number",
            "WHERE number IN (SELECT number FROM placed)"
        )
    );
    let jobs = [job(Act::Nothing).priority(Priority::Critical), job(Act::Fail)];
    let columns = Columns::of(&jobs);
    let (placed, of_rows) = (vec![1i64], vec![1i64, 2]);
    let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&placed];
    parameters.extend(columns.parameters());
    parameters.push(&of_rows);

    client.query_one(&statement, &parameters).await.unwrap();

    let stored = place
        .database
        .rows("SELECT kind, priority, payload FROM job")
        .await;
    assert_eq!(stored, [["test.scripted", "0", "\"nothing\""]]);
}

#[tokio::test]
async fn a_unique_job_is_left_out_while_its_like_waits_or_runs() {
    let place = Place::new().await;
    let unique = || [job(Act::Nothing).unique("day"), job(Act::Nothing)];

    let first = place.enqueue(&unique()).await;
    let second = place.enqueue(&unique()).await;

    assert_eq!((first.len(), second.len()), (2, 1));
    let worker = place.worker(settings());
    place.until("all are completed", "job", 0).await;
    worker.stop().await;
    assert_eq!(place.enqueue(&unique()).await.len(), 2);
}

#[tokio::test]
async fn depths_are_counted_behind_a_pooler_that_gives_each_transaction_another_session() {
    let place = Place::new().await;
    place.enqueue(&[job(Act::Nothing), job(Act::Nothing)]).await;
    let pooler = Pooler::start(place.database.url(), Pooling::RoundRobin, 4);
    let database = Database::new(&test_support::settings(pooler.url()), "test").unwrap();
    let pool = Pool::new(&database, 4, Duration::from_secs(5));
    let queue = Queue::new([9; 5], &prometheus::Registry::new()).unwrap();

    for _ in 0..20 {
        let samples = (0..4).map(|_| queue.sample(&pool));
        for sample in futures_util::future::join_all(samples).await {
            sample.unwrap();
        }
    }

    assert_eq!(queue.depth(Priority::Default), 2);
}

#[tokio::test]
async fn a_full_queue_accepts_rejects_skips_or_demotes_by_kind() {
    let place = Place::new().await;
    let metrics = prometheus::Registry::new();
    let queue = Queue::new([1, 1, 2, 1, 1], &metrics).unwrap();
    let other = |priority| NewJob::of::<Other>(&()).unwrap().priority(priority);
    place
        .enqueue(&[
            other(Priority::Default),
            other(Priority::Default),
            other(Priority::Low),
        ])
        .await;

    let before = queue.admit(job(Act::Nothing).overflow(Overflow::Reject));
    queue.sample(&place.pool).await.unwrap();
    let admit = |overflow| queue.admit(job(Act::Nothing).overflow(overflow));

    assert!(matches!(before, Ok(Some(_))));
    assert!(matches!(admit(Overflow::Accept), Ok(Some(_))));
    assert!(matches!(admit(Overflow::Skip), Ok(None)));
    let rejected = admit(Overflow::Reject).unwrap_err();
    let full = QueueFull {
        priority: Priority::Default,
        capacity: 2,
    };
    assert_eq!(rejected, full);
    assert_eq!(
        rejected.to_string(),
        "queue_full: 2 jobs of priority DEFAULT are waiting already"
    );
    let demoted = admit(Overflow::Demote).unwrap().unwrap();
    place.enqueue(&[demoted]).await;
    assert_eq!(
        place
            .count("job WHERE kind = 'test.scripted' AND priority = 4")
            .await,
        1
    );
    let counted = prometheus::TextEncoder::new()
        .encode_to_string(&metrics.gather())
        .unwrap();
    assert!(
        counted.contains(r#"jobs_overflow_total{priority="default"} 4"#),
        "{counted}"
    );
    assert!(
        counted.contains(r#"reporting_job_overflow{priority="default"} 4"#),
        "{counted}"
    );
}

#[tokio::test]
async fn a_time_before_1970_is_due_as_any_other_in_the_past() {
    let place = Place::new().await;
    let worker = place.worker(settings());

    for time in [
        "1969-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
        "-9999-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
    ] {
        place
            .enqueue(&[job(Act::Nothing).at(time.parse().unwrap())])
            .await;
    }

    place.until("all are done", "job", 0).await;
    assert_eq!(place.done().len(), 4);
    worker.stop().await;
}
