//! Migrations without a transaction: killed half-way, raced for, and failing.

use database_migration::{Back, Migration};
use test_support::{TestDatabase, eventually};

use crate::own;
use crate::program::VERSION;

const STATE: &str = "SELECT coalesce((SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('t_a_idx'))::text, 'absent')";

const COPIES: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE application_name = 'own migrations' AND datname = current_database()";

/// A table, and an index on it.
fn migrations(unique: &str) -> Vec<Migration> {
    let index = format!(
        "CREATE {unique} INDEX CONCURRENTLY t_a_idx ON t (a);\nCOMMENT ON INDEX t_a_idx IS 'Found by a.';"
    );
    vec![
        own::migration(1, "yes", "CREATE TABLE t (a int);", "DROP TABLE t;"),
        own::migration(2, "none", &index, "DROP INDEX CONCURRENTLY t_a_idx;"),
    ]
}

/// A database with the table, with rows, and with a transaction that keeps the index from being
/// finished.
async fn busy(migrations: &[Migration]) -> (TestDatabase, tokio_postgres::Client) {
    let database = TestDatabase::empty().await;
    own::migrator(&database, migrations).up(Some(1)).await.unwrap();
    database
        .execute("INSERT INTO t SELECT generate_series(1, 1000)")
        .await;
    let writer = database.session("BEGIN; INSERT INTO t VALUES (0)").await;
    (database, writer)
}

async fn is_half_built(database: &TestDatabase) {
    database.until("the index is half built", STATE, "false").await;
}

#[tokio::test]
async fn an_index_whose_migrator_was_killed_half_way_is_dropped_and_built_again() {
    let migrations = migrations("");
    let (database, writer) = busy(&migrations).await;
    let killed = own::start(&database, &migrations);
    is_half_built(&database).await;

    killed.signal("KILL");
    assert_eq!(killed.wait_output().await.signal, Some(9));
    database.until("its session ends", COPIES, "0").await;

    assert_eq!(
        (database.value(STATE).await, database.value(VERSION).await),
        ("false".into(), "1".into())
    );
    writer.batch_execute("COMMIT").await.unwrap();
    let half_built = database.value("SELECT 't_a_idx'::regclass::oid").await;
    own::start(&database, &migrations).wait_output().await.exits(0);
    assert_eq!(
        (database.value(STATE).await, database.value(VERSION).await),
        ("true".into(), "2".into())
    );
    assert_ne!(
        database.value("SELECT 't_a_idx'::regclass::oid").await,
        half_built
    );
    let comment = "SELECT obj_description('t_a_idx'::regclass)";
    assert_eq!(database.value(comment).await, "Found by a.");
}

#[tokio::test]
async fn of_ten_processes_around_an_index_one_builds_it_and_all_succeed() {
    let migrations = migrations("");
    let (database, writer) = busy(&migrations).await;

    let copies: Vec<_> = (0..10).map(|_| own::start(&database, &migrations)).collect();
    is_half_built(&database).await;
    eventually("all of them are there", async || {
        database.value(COPIES).await.parse::<u32>().unwrap() >= 10
    })
    .await;
    writer.batch_execute("COMMIT").await.unwrap();

    let mut changed = 0;
    for copy in copies {
        let output = copy.wait_output().await.exits(0);
        changed += usize::from(output.stdout.contains("outcome changed"));
    }
    assert_eq!(changed, 1);
    assert_eq!(database.value(STATE).await, "true");
    let rows = "SELECT version::int FROM __diesel_schema_migrations ORDER BY 1";
    assert_eq!(database.rows(rows).await, [["1"], ["2"]]);
}

#[tokio::test]
async fn an_index_that_was_built_before_its_migrator_was_killed_is_kept() {
    let (database, migrations) = (TestDatabase::empty().await, migrations(""));
    let migrator = own::migrator(&database, &migrations);
    migrator.up(None).await.unwrap();
    let built = database.value("SELECT 't_a_idx'::regclass::oid").await;

    // Killed before the row of the ledger.
    database
        .execute("DELETE FROM __diesel_schema_migrations WHERE version = '0002'")
        .await;
    migrator.up(None).await.unwrap();

    assert_eq!(database.value("SELECT 't_a_idx'::regclass::oid").await, built);
    assert_eq!(database.value(VERSION).await, "2");

    // The same on the way back.
    database.execute("DROP INDEX t_a_idx").await;
    migrator.down(Back::Steps(1)).await.unwrap();
    assert_eq!(database.value(VERSION).await, "1");
}

#[tokio::test]
async fn an_index_that_cannot_be_built_is_not_left_to_refuse_rows() {
    let (database, migrations) = (TestDatabase::empty().await, migrations("UNIQUE"));
    let migrator = own::migrator(&database, &migrations);
    migrator.up(Some(1)).await.unwrap();
    database.execute("INSERT INTO t VALUES (1), (1)").await;

    let error = migrator.up(None).await.unwrap_err();

    assert!(error.to_string().contains("0002_own/up.sql failed"), "{error}");
    assert_eq!(database.value(STATE).await, "absent");
    database.execute("INSERT INTO t VALUES (1); TRUNCATE t").await;
    migrator.up(None).await.unwrap();
    assert_eq!(database.value(STATE).await, "true");
}

#[tokio::test]
async fn an_index_waits_for_long_transactions_without_beginning_anew() {
    let migrations = migrations("");
    let (database, writer) = busy(&migrations).await;

    let (copy, url) = (own::start(&database, &migrations), database.url().to_owned());
    is_half_built(&database).await;
    let begun = database.value("SELECT 't_a_idx'::regclass::oid").await;
    let waits_for_long = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'own migrations'
        AND wait_event_type = 'Lock' AND query_start < now() - interval '2.5 s' AND datname = current_database()";
    database
        .until("the index waits for longer than 2 s", waits_for_long, "1")
        .await;
    writer.batch_execute("COMMIT").await.unwrap();

    let output = copy.wait_output().await;
    assert_eq!(output.code, Some(0), "{url}: {}", output.stderr);
    assert_eq!(database.value("SELECT 't_a_idx'::regclass::oid").await, begun);
    assert_eq!(database.value(STATE).await, "true");
}
