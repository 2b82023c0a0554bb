//! Tests behind a real PgBouncer: it is found out, and nothing is left on its sessions.

use std::time::{Duration, Instant};

use database::{ConnectError, Database, Pooling, Settings, channels, pool::Pool};
use diesel::sql_types::{Integer, Text};
use diesel_async::RunQueryDsl as _;
use test_support::{OwnCluster, Pooler, Pooling as Mode};

use crate::said;

/// Longer than finding out may take.
const AT_ONCE: Duration = Duration::from_secs(8);

fn direct(url: &str) -> Database {
    Database::direct(&test_support::settings(url), "test").unwrap()
}

/// A wait that a test must not sit through.
const LONG: Duration = Duration::from_secs(300);

/// The refusal of an attempt. On a busy machine a question may go without an answer for 2 s: then
/// it is asked again.
async fn refusal<T>(attempt: impl AsyncFn() -> Result<T, ConnectError>) -> ConnectError {
    let started = Instant::now();
    loop {
        match attempt().await {
            Err(error) if error.is_unreachable() && started.elapsed() < LONG => {}
            outcome => return outcome.err().expect("a refusal"),
        }
    }
}

/// Sessions of the server that hold an advisory lock or a prepared statement, or changed a setting.
async fn locks(cluster: &OwnCluster) -> i64 {
    let query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
    cluster.client().await.query_one(query, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_server_without_a_pooler_is_asked_once() {
    let cluster = OwnCluster::start();
    let database = direct(&cluster.url());

    let client = database.connect().await.unwrap();

    assert_eq!(database.pooling().await.unwrap(), Pooling::Sessions);
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'test'";
    let count: i64 = client.query_one(sessions, &[]).await.unwrap().get(0);
    assert_eq!(count, 1);
}

#[tokio::test]
async fn a_pooler_of_transactions_is_refused_where_sessions_are_needed() {
    let cluster = OwnCluster::start();
    let modes = [Mode::Transaction, Mode::RoundRobin];
    for (size, mode) in [1, 2, 20]
        .into_iter()
        .flat_map(|size| modes.map(|mode| (size, mode)))
    {
        let pooler = Pooler::start(&cluster.url(), mode, size);
        let database = direct(pooler.url());
        for refused in [
            refusal(async || database.connect().await).await,
            refusal(async || database.listen(channels::DATASET_PUBLISHED).await).await,
            database.wait(LONG).await.unwrap_err(),
        ] {
            assert!(
                matches!(refused, ConnectError::Pooled { .. }),
                "{size}: {refused:?}"
            );
            assert!(
                said(&refused).contains("connect directly or in session mode"),
                "{}",
                said(&refused)
            );
        }
    }
    assert_eq!(locks(&cluster).await, 0);
}

#[tokio::test]
async fn a_pooler_of_transactions_is_found_out_while_others_use_it() {
    let cluster = OwnCluster::start();
    let pooler = Pooler::start(&cluster.url(), Mode::Transaction, 20);
    let others: Vec<_> = (0..8)
        .map(|_| {
            let url = pooler.url().to_owned();
            tokio::spawn(async move {
                let database = Database::new(&test_support::settings(&url), "other").unwrap();
                let client = database.connect().await.unwrap();
                loop {
                    client
                        .batch_execute("BEGIN; SELECT pg_sleep(0.003); COMMIT")
                        .await
                        .unwrap();
                }
            })
        })
        .collect();
    for _ in 0..10 {
        let refused = direct(pooler.url()).wait(LONG).await.unwrap_err();
        assert!(matches!(refused, ConnectError::Pooled { .. }), "{refused:?}");
    }
    others.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_pooler_of_sessions_gives_sessions_if_it_has_more_than_one() {
    let cluster = OwnCluster::start();
    let pooler = Pooler::start(&cluster.url(), Mode::Session, 20);
    let database = direct(pooler.url());
    let client = database.connect().await.unwrap();
    client
        .query_one("SELECT pg_advisory_lock(1)::text", &[])
        .await
        .unwrap();
    let mut listener = database.listen("channel").await.unwrap();
    client.batch_execute("NOTIFY channel").await.unwrap();
    listener.next().await.unwrap();
    drop((client, listener));
    test_support::eventually("the lock ends with its connection", async || {
        locks(&cluster).await == 0
    })
    .await;

    let one = Pooler::start(&cluster.url(), Mode::Session, 1);
    let refused = direct(one.url()).connect().await.err().unwrap();
    assert!(
        said(&refused).contains("no second session within 2 s"),
        "{}",
        said(&refused)
    );
}

#[tokio::test]
async fn pooled_reads_work_in_every_mode_and_leave_nothing_on_a_session() {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = Integer)]
        number: i32,
        #[diesel(sql_type = Text)]
        isolation: String,
        #[diesel(sql_type = Text)]
        timeout: String,
    }
    const QUERY: &str = "SELECT $1 AS number, current_setting('transaction_isolation') AS isolation,
        current_setting('statement_timeout') AS timeout";
    let cluster = OwnCluster::start();
    for (mode, size) in [
        (Mode::Transaction, 1),
        (Mode::Transaction, 3),
        (Mode::Session, 20),
    ] {
        let pooler = Pooler::start(&cluster.url(), mode, size);
        let database = Database::new(&test_support::settings(pooler.url()), "test").unwrap();
        let pool = Pool::new(&database, 4, AT_ONCE);
        let read = async |number: i32| {
            let query = async |connection: &mut diesel_async::AsyncPgConnection| {
                diesel::sql_query(QUERY)
                    .bind::<Integer, _>(number)
                    .get_result::<Row>(connection)
                    .await
            };
            let row = match number % 2 {
                0 => pool.read(AT_ONCE, query).await.unwrap(),
                _ => pool.read_one_state(AT_ONCE, query).await.unwrap(),
            };
            let isolation = ["read committed", "repeatable read"][usize::try_from(number % 2).unwrap()];
            assert_eq!(
                (row.number, row.isolation.as_str(), row.timeout.as_str()),
                (number, isolation, "5s")
            );
        };
        futures_util::future::join_all((0..200).map(&read)).await;
        // A refused query takes its transaction back.
        let wrong = async |connection: &mut diesel_async::AsyncPgConnection| {
            diesel::sql_query("SELECT 1/0").execute(connection).await
        };
        pool.read(AT_ONCE, wrong).await.unwrap_err();
        futures_util::future::join_all((0..20).map(&read)).await;

        if mode == Mode::Transaction {
            let client = Database::new(&test_support::settings(pooler.url()), "other").unwrap();
            let client = client.connect().await.unwrap();
            for _ in 0..10 {
                let left = "SELECT current_setting('statement_timeout') = '0'
                    AND NOT EXISTS (SELECT FROM pg_prepared_statements WHERE name <> '')";
                let is_clean = client.query_typed(left, &[]).await.unwrap();
                assert!(is_clean[0].get::<_, bool>(0), "{mode:?} {size}");
            }
        }
    }
}

#[tokio::test]
async fn the_direct_url_is_for_what_needs_sessions_alone() {
    let cluster = OwnCluster::start();
    let pooler = Pooler::start(&cluster.url(), Mode::Transaction, 1);
    let settings = Settings {
        url: Some(pooler.url().to_owned().into()),
        direct_url: Some(cluster.url().into()),
        ..Settings::default()
    };

    let (pooled, direct) = (
        Database::new(&settings, "test").unwrap(),
        Database::direct(&settings, "test").unwrap(),
    );

    assert!(pooled.target().contains(&format!(":{}/", pooler.port())));
    assert!(direct.target().contains(&format!(":{}/", cluster.port())));
    assert_eq!(pooled.pooling().await.unwrap(), Pooling::Transactions);
    assert_eq!(direct.pooling().await.unwrap(), Pooling::Sessions);
}
