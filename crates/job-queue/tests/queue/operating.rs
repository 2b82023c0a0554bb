//! What operators do: look, replay, purge, retention.

use diesel_async::SimpleAsyncConnection;
use job_queue::operate::{self, DeadLetters, JobFilter};

use crate::harness::{Act, Place, job, settings};

#[tokio::test]
async fn a_dead_letter_is_replayed_once_however_often_that_is_asked() {
    let place = Place::new().await;
    let worker = place.worker(settings());
    place.enqueue(&[job(Act::Refuse), job(Act::Refuse)]).await;
    place.until("both are dead letters", "job_dead", 2).await;
    worker.stop().await;
    let mut first = place.database.database().connect_diesel().await.unwrap();
    let mut second = place.database.database().connect_diesel().await.unwrap();

    let (one, other) = tokio::join!(
        operate::replay(&mut first, &DeadLetters::All, None),
        operate::replay(&mut second, &DeadLetters::All, None)
    );
    let again = operate::replay(&mut first, &DeadLetters::All, None)
        .await
        .unwrap();

    assert_eq!(one.unwrap().len() + other.unwrap().len(), 2);
    assert!(again.is_empty());
    assert_eq!(place.count("job WHERE attempt = 0").await, 2);
    let paired = "job_dead JOIN job ON job.id = replayed_as AND job.payload = job_dead.payload WHERE replayed_at IS NOT NULL";
    assert_eq!(place.count(paired).await, 2);
}

#[tokio::test]
async fn of_dead_letters_with_one_key_the_newest_is_replayed_and_none_beside_a_living_job() {
    let place = Place::new().await;
    let worker = place.worker(settings());
    for _ in 0..2 {
        place.enqueue(&[job(Act::Refuse).unique("k")]).await;
        place.until("it is dead", "job", 0).await;
    }
    worker.stop().await;
    let mut connection = place.database.database().connect_diesel().await.unwrap();

    let replayed = operate::replay(&mut connection, &DeadLetters::All, None)
        .await
        .unwrap();
    let beside = operate::replay(&mut connection, &DeadLetters::All, None)
        .await
        .unwrap();

    let newest: i64 = place
        .database
        .value("SELECT max(id) FROM job_dead")
        .await
        .parse()
        .unwrap();
    assert_eq!((replayed.len(), replayed[0]["id"].as_i64()), (1, Some(newest)));
    assert!(beside.is_empty(), "{beside:?}");
}

#[tokio::test]
async fn a_key_that_is_taken_keeps_no_other_dead_letter_from_its_replay() {
    let place = Place::new().await;
    place
        .database
        .execute(
            "INSERT INTO job_dead (id, kind, priority, created_at, reason, attempt, rescues, timeout_ms, payload, min_build, unique_key)
             SELECT number, 'test.scripted', 2, now(), 'exhausted', 3, 0, 1000, '\"nothing\"', 0,
                CASE WHEN number <= 5000 THEN 'taken' WHEN number = 5001 THEN 'raced' END
             FROM generate_series(1, 5003) AS number",
        )
        .await;
    place.enqueue(&[job(Act::Nothing).unique("taken")]).await;
    let mut connection = place.database.database().connect_diesel().await.unwrap();
    let mut racing = place.database.database().connect_diesel().await.unwrap();
    racing.batch_execute("BEGIN").await.unwrap();
    job_queue::enqueue(&mut racing, &[job(Act::Nothing).unique("raced")])
        .await
        .unwrap();

    let (replayed, ()) = tokio::join!(operate::replay(&mut connection, &DeadLetters::All, None), async {
        let waiting = "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        place
            .until("the replay waits for the transaction", waiting, 1)
            .await;
        racing.batch_execute("COMMIT").await.unwrap();
    });

    let ids: Vec<i64> = replayed
        .unwrap()
        .iter()
        .filter_map(|row| row["id"].as_i64())
        .collect();
    assert_eq!(ids, [5002, 5003]);
    assert_eq!(place.count("job").await, 4);
    let paired = "job_dead JOIN job ON job.id = replayed_as AND job.unique_key IS NULL";
    assert_eq!(place.count(paired).await, 2);
}

#[tokio::test]
async fn dead_letters_of_a_later_time_are_left() {
    let place = Place::new().await;
    let mut connection = place.database.database().connect_diesel().await.unwrap();
    let before = operate::time_of(&mut connection, None).await.unwrap();
    let worker = place.worker(settings());
    let ids = place.enqueue(&[job(Act::Refuse)]).await;
    place.until("it is a dead letter", "job_dead", 1).await;
    worker.stop().await;

    let replayed = operate::replay(&mut connection, &DeadLetters::All, Some(before))
        .await
        .unwrap();
    let purged = operate::purge(&mut connection, &DeadLetters::Ids(ids.clone()), Some(before))
        .await
        .unwrap();
    let later = operate::time_of(&mut connection, None).await.unwrap();
    let then = operate::replay(&mut connection, &DeadLetters::All, Some(later))
        .await
        .unwrap();

    assert_eq!((replayed.len(), purged.len(), then.len()), (0, 0, 1));
}

#[tokio::test]
async fn dead_letters_are_chosen_by_id_kind_and_age() {
    let place = Place::new().await;
    let worker = place.worker(settings());
    let ids = place
        .enqueue(&[job(Act::Refuse), job(Act::Refuse), job(Act::Refuse)])
        .await;
    place.until("all are dead letters", "job_dead", 3).await;
    worker.stop().await;
    let mut connection = place.database.database().connect_diesel().await.unwrap();
    let of_kind = |kind: &str, limit| DeadLetters::Kind {
        kind: kind.to_owned(),
        since_s: Some(3600.0),
        limit,
    };

    let other = operate::purge(&mut connection, &of_kind("test.other", None), None)
        .await
        .unwrap();
    let old = operate::purge(
        &mut connection,
        &DeadLetters::OlderThan {
            kind: None,
            age_s: 60.0,
        },
        None,
    )
    .await
    .unwrap();
    let one = operate::purge(&mut connection, &DeadLetters::Ids(vec![ids[1], 999_999]), None)
        .await
        .unwrap();
    let limited = operate::replay(&mut connection, &of_kind("test.scripted", Some(1)), None)
        .await
        .unwrap();

    assert_eq!((other.len(), old.len(), one.len()), (0, 0, 1));
    assert_eq!((limited.len(), limited[0]["id"].as_i64()), (1, Some(ids[0])));
    assert_eq!(
        operate::list_dead(&mut connection, None, false, 10)
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        operate::list_dead(&mut connection, None, true, 10)
            .await
            .unwrap()
            .len(),
        2
    );
    let shown = operate::show_dead(&mut connection, ids[2])
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (&shown["reason"], &shown["payload"]),
        (&"permanent".into(), &"refuse".into())
    );
}

#[tokio::test]
async fn retention_removes_results_and_replayed_dead_letters_and_no_others() {
    let place = Place::new().await;
    let worker = place.worker(settings());
    place.enqueue(&[job(Act::Refuse), job(Act::Refuse)]).await;
    place
        .enqueue(&[job(Act::Result("x".into())).public(uuid::Uuid::now_v7())])
        .await;
    place.until("all have ended", "job", 0).await;
    worker.stop().await;
    place
        .database
        .execute(
            "UPDATE job_dead SET replayed_as = 1, replayed_at = now() - interval '8 days'
             WHERE id = (SELECT min(id) FROM job_dead);
             UPDATE job_result SET finished_at = now() - interval '8 days'",
        )
        .await;
    let mut connection = place.database.database().connect_diesel().await.unwrap();

    let kept = operate::remove_old(&mut connection, 9.0 * 86_400.0)
        .await
        .unwrap();
    let removed = operate::remove_old(&mut connection, 7.0 * 86_400.0)
        .await
        .unwrap();

    assert_eq!((kept, removed), (0, 2));
    assert_eq!(
        (place.count("job_dead").await, place.count("job_result").await),
        (1, 0)
    );
}

#[tokio::test]
async fn stats_lists_and_schedules_show_what_is_there() {
    let place = Place::new().await;
    let ids = place
        .enqueue(&[
            job(Act::Nothing),
            job(Act::Sleep(60_000)).after(std::time::Duration::from_secs(60)),
        ])
        .await;
    let mut connection = place.database.database().connect_diesel().await.unwrap();

    let stats = operate::stats(&mut connection).await.unwrap();
    let filter = JobFilter {
        limit: 10,
        running: Some(false),
        ..JobFilter::default()
    };
    let list = operate::list(&mut connection, &filter).await.unwrap();
    let none = operate::list(
        &mut connection,
        &JobFilter {
            running: Some(true),
            ..filter
        },
    )
    .await
    .unwrap();
    let shown = operate::show(&mut connection, ids[1]).await.unwrap().unwrap();
    let due = operate::run_now(&mut connection, ids[1]).await.unwrap();

    assert_eq!(
        (&stats[0]["queued"], &stats[0]["due"]),
        (&2.into(), &1.into()),
        "{stats:?}"
    );
    assert_eq!((list.len(), none.len()), (2, 0));
    assert_eq!(shown["payload"]["sleep"], 60_000);
    assert!(due.is_some());
    assert_eq!(place.count("job WHERE run_at <= now()").await, 2);
}
