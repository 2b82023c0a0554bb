//! Tests of notifications: arrival, merging, other channels and lost connections.

use std::time::Duration;

use database::{Listener, channels};
use test_support::TestDatabase;

/// The next notification, or the end; fails the test when neither comes.
async fn next(listener: &mut Listener) -> Option<()> {
    tokio::time::timeout(test_support::PATIENCE, listener.next())
        .await
        .expect("a notification or the end")
}

#[tokio::test]
async fn what_is_notified_after_listening_began_arrives() {
    let database = TestDatabase::empty().await;
    let mut listener = database
        .database()
        .listen(channels::DATASET_PUBLISHED)
        .await
        .unwrap();

    database
        .execute(&format!("NOTIFY {}, '7'", channels::DATASET_PUBLISHED))
        .await;

    assert_eq!(next(&mut listener).await, Some(()));
}

#[tokio::test]
async fn many_unfetched_notifications_are_one_and_the_last_is_not_lost() {
    let database = TestDatabase::empty().await;
    let mut listener = database.database().listen("many").await.unwrap();

    // One transaction each: what is notified twice within one counts once anyway.
    let client = database.client().await;
    for number in 0..200 {
        client
            .batch_execute(&format!("NOTIFY many, '{number}'"))
            .await
            .unwrap();
    }
    assert_eq!(next(&mut listener).await, Some(()));
    while tokio::time::timeout(Duration::from_millis(300), listener.next())
        .await
        .is_ok()
    {}

    client.batch_execute("NOTIFY many").await.unwrap();
    assert_eq!(next(&mut listener).await, Some(()));
}

#[tokio::test]
async fn payloads_arrive_in_order_and_those_beyond_the_kept_ones_are_dropped() {
    let database = TestDatabase::empty().await;
    let mut listener = database
        .database()
        .listen_for_payloads("payloads", 3)
        .await
        .unwrap();

    let notify = "BEGIN; NOTIFY payloads, 'a'; NOTIFY payloads, 'b'; NOTIFY payloads, 'c'; NOTIFY payloads, 'd'; COMMIT";
    database.execute(notify).await;
    // They are sent before the answer to what follows on the connection.
    for _ in 0..2 {
        listener.client().batch_execute("SELECT 1").await.unwrap();
    }
    for payload in ["a", "b", "c"] {
        let next = tokio::time::timeout(test_support::PATIENCE, listener.next_payload()).await;
        assert_eq!(next.unwrap().as_deref(), Some(payload));
    }

    database.execute("NOTIFY payloads, 'e'").await;
    let next = tokio::time::timeout(test_support::PATIENCE, listener.next_payload()).await;
    assert_eq!(next.unwrap().as_deref(), Some("e"));
}

#[tokio::test]
async fn other_channels_are_not_heard() {
    let database = TestDatabase::empty().await;
    let mut listener = database.database().listen("wanted").await.unwrap();

    database.execute("NOTIFY unwanted").await;
    database.execute("NOTIFY wanted").await;

    assert_eq!(next(&mut listener).await, Some(()));
    let more = tokio::time::timeout(Duration::from_millis(300), listener.next()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test]
async fn a_terminated_backend_ends_the_listener() {
    let database = TestDatabase::empty().await;
    let mut listener = database.database().listen("lost").await.unwrap();

    // Its own sessions may be ended by their owner.
    database
        .execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN lost' AND pid <> pg_backend_pid()")
        .await;

    assert_eq!(next(&mut listener).await, None);
}

#[tokio::test]
async fn a_dropped_listener_gives_its_connection_back() {
    let database = TestDatabase::empty().await;
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE query = 'LISTEN dropped'";

    let listener = database.database().listen("dropped").await.unwrap();
    assert_eq!(database.value(sessions).await, "1");
    drop(listener);

    database.until("the session ends", sessions, "0").await;
}
