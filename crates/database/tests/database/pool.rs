//! Connections of the pool: waiting, reuse, limits and lost connections.

use std::time::{Duration, Instant};

use database::pool::{NoConnection, Pool, ReadError};
use diesel::sql_types::{Integer, Text};
use diesel_async::RunQueryDsl;
use test_support::TestDatabase;

#[derive(diesel::QueryableByName)]
struct Shown {
    #[diesel(sql_type = Text)]
    value: String,
}

async fn ask(connection: &mut diesel_async::AsyncPgConnection, sql: &str) -> diesel::QueryResult<String> {
    let shown: Shown = diesel::sql_query(sql).get_result(connection).await?;
    Ok(shown.value)
}

#[tokio::test]
async fn when_all_are_lent_the_next_caller_waits_no_longer_than_the_limit() {
    let database = TestDatabase::empty().await.database();
    let pool = Pool::new(&database, 2, Duration::from_millis(200));
    let (_one, other) = (pool.get().await.unwrap(), pool.get().await.unwrap());
    let started = Instant::now();

    let third = pool.get().await;

    assert!(matches!(third, Err(NoConnection::Busy(_))));
    assert!(started.elapsed() >= Duration::from_millis(200));
    assert_eq!(
        third.err().unwrap().to_string(),
        "no database connection became free within 200 ms"
    );
    let usage = pool.usage();
    assert_eq!((usage.most, usage.open, usage.idle, usage.waiting), (2, 2, 0, 0));
    other.release();
    drop(pool.get().await.unwrap());
}

#[tokio::test]
async fn one_that_is_given_back_while_a_request_waits_is_lent_at_once() {
    let database = TestDatabase::empty().await.database();
    let pool = Pool::new(&database, 1, Duration::from_secs(60));
    let pooled = pool.get().await.unwrap();
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get().await.map(drop) }
    });
    test_support::eventually("a request waits", async || pool.usage().waiting == 1).await;

    pooled.release();

    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn statements_are_limited_in_time_and_speak_utc() {
    let mut settings = TestDatabase::empty().await.settings();
    settings.statement_timeout_s = 1;
    let pool = Pool::new(&crate::database(&settings), 1, Duration::from_secs(5));
    let mut pooled = pool.get().await.unwrap();

    let zone = ask(&mut pooled, "SELECT current_setting('TimeZone') AS value").await;
    let slow = ask(&mut pooled, "SELECT pg_sleep(60)::text AS value").await;

    assert_eq!(zone.unwrap(), "UTC");
    assert!(slow.unwrap_err().to_string().contains("statement timeout"));
}

const PID: &str = "SELECT pg_backend_pid()::text AS value";

#[tokio::test]
async fn a_connection_is_lent_again_once_everything_was_answered() {
    let pool = Pool::new(&TestDatabase::empty().await.database(), 1, Duration::from_secs(5));
    let limit = Duration::from_secs(20);

    let first = pool
        .read(limit, async |connection| ask(connection, PID).await)
        .await;
    let second = pool
        .read(limit, async |connection| ask(connection, PID).await)
        .await;

    assert_eq!(first.unwrap(), second.unwrap());
}

#[tokio::test]
async fn a_connection_with_a_running_statement_is_closed_and_not_lent_again() {
    let database = TestDatabase::empty().await;
    let pool = Pool::new(&database.database(), 1, Duration::from_secs(5));
    let slow = async |connection: &mut _| ask(connection, "SELECT pg_sleep(60)::text AS value").await;

    let late = pool.read(Duration::from_millis(300), slow).await;
    let next = pool
        .read(Duration::from_secs(4), async |connection| {
            ask(connection, PID).await
        })
        .await;

    assert!(matches!(late, Err(ReadError::Late(_))), "{late:?}");
    assert!(late.unwrap_err().is_unreachable());
    assert!(next.is_ok(), "{next:?}");
}

#[tokio::test]
async fn a_read_outlives_the_death_of_every_idle_connection() {
    let database = TestDatabase::empty().await;
    let pool = Pool::new(&database.database(), 3, Duration::from_secs(5));
    let (one, two, three) = (
        pool.get().await.unwrap(),
        pool.get().await.unwrap(),
        pool.get().await.unwrap(),
    );
    for pooled in [one, two, three] {
        pooled.release();
    }

    let own = "SELECT count(pg_terminate_backend(pid))::text FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    database.value(own).await;

    let read = pool
        .read(Duration::from_secs(20), async |connection| {
            ask(connection, PID).await
        })
        .await;
    assert!(read.is_ok(), "{read:?}");
}

#[tokio::test]
async fn what_the_server_refuses_is_tried_twice_and_told() {
    let pool = Pool::new(&TestDatabase::empty().await.database(), 2, Duration::from_secs(5));
    let attempts = std::sync::atomic::AtomicU32::new(0);

    let read = pool
        .read(Duration::from_secs(20), async |connection| {
            attempts.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            ask(connection, "SELECT value FROM no_such_table").await
        })
        .await;

    let refused = read.unwrap_err();
    assert!(!refused.is_unreachable(), "{refused:?}");
    assert_eq!(attempts.into_inner(), 2);
}

#[tokio::test]
async fn why_none_can_be_opened_is_said_without_the_password() {
    let url = TestDatabase::empty().await.url().replace("/test_", "/no_such_");
    let pool = Pool::new(
        &crate::database(&test_support::settings(&url)),
        1,
        Duration::from_secs(5),
    );

    let error = pool.get().await.err().unwrap();

    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("does not exist"), "{cause}");
    assert!(!cause.contains("postgres://"), "{cause}");
}

#[tokio::test]
async fn a_pool_of_size_zero_still_lends_one() {
    let database = TestDatabase::empty().await.database();
    let pool = Pool::new(&database, 0, Duration::from_secs(5));

    let one: i32 = diesel::select(diesel::dsl::sql::<Integer>("1"))
        .get_result(&mut *pool.get().await.unwrap())
        .await
        .unwrap();

    assert_eq!(one, 1);
}
