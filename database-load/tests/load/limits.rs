//! Limits that operators set for a database or a role do not cut a load short.

use test_support::{Cluster, TestDatabase};

use crate::fixture::{Data, block_publication, load_binary, outcomes, publication_waits, run_with, spawn};

/// Makes the server slow to publish: longer than a heartbeat's interval.
const SLOW_PRODUCTS: &str = "
    CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(7); RETURN NULL; END';
    CREATE TRIGGER be_slow AFTER INSERT ON products FOR EACH STATEMENT EXECUTE FUNCTION be_slow()";

async fn set(database: &TestDatabase, setting: &str) {
    let set = format!("ALTER DATABASE {} SET {setting}", database.name());
    database.execute(&set).await;
}

#[tokio::test]
async fn a_long_publication_survives_serializable_as_the_default_and_a_statement_timeout() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    database.execute(SLOW_PRODUCTS).await;
    for setting in [
        "default_transaction_isolation = 'serializable'",
        "statement_timeout = '1s'",
        "idle_in_transaction_session_timeout = '1s'",
        "idle_session_timeout = '1s'",
    ] {
        set(&database, setting).await;
    }

    load_binary(&database, &data, &[]).await.exits(0);

    assert_eq!(outcomes(&database).await, ["changed"]);
    assert_eq!(
        database
            .value("SELECT heartbeat_at - started_at > '7 s' FROM bootstrap_runs WHERE outcome = 'changed' AND task = 'database-load'")
            .await,
        "t"
    );
}

/// The address of a role that may do what the loader does, over so many connections.
async fn role(database: &TestDatabase, connections: u32) -> String {
    let role = format!("narrow_{}", database.name());
    let admin = Cluster::shared()
        .admin_url()
        .rsplit_once('/')
        .unwrap()
        .0
        .to_owned();
    let admin = format!("{admin}/{}", database.name());
    let settings = test_support::settings(&admin);
    let client = database::Database::new(&settings, "test")
        .unwrap()
        .connect()
        .await
        .unwrap();
    client
        .batch_execute(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'narrow' CONNECTION LIMIT {connections};
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
             GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}"
        ))
        .await
        .unwrap();
    let port = Cluster::shared().port();
    format!("postgres://{role}:narrow@127.0.0.1:{port}/{}", database.name())
}

#[tokio::test]
async fn two_connections_are_enough_to_load_and_to_stop() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    let url = role(&database, 2).await;
    let blocker = block_publication(&database).await;
    let process = spawn(&database, &data, &[], &[("DATABASE_URL", &url)]);
    publication_waits(&database).await;

    process.signal("TERM");
    process.wait_output().await.exits(143);
    blocker.batch_execute("ROLLBACK").await.unwrap();
    run_with(&database, &data, &[], &[("DATABASE_URL", &url)])
        .await
        .exits(0);

    assert_eq!(outcomes(&database).await, ["canceled", "changed"]);
    assert_eq!(database.value("SELECT count(*) FROM dataset_versions").await, "1");
}

#[tokio::test]
async fn a_second_connection_that_is_refused_is_recorded_and_nothing_is_staged() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    let url = role(&database, 1).await;

    run_with(&database, &data, &[], &[("DATABASE_URL", &url)])
        .await
        .exits(3);

    assert_eq!(outcomes(&database).await, ["failed"]);
    assert_eq!(database.value("SELECT count(*) FROM dataset_versions").await, "0");
}

#[tokio::test]
async fn a_database_that_takes_no_writes_or_a_role_without_rights_exits_9() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    let url = role(&database, 5).await;
    let revoke = format!("REVOKE INSERT ON dataset_rows FROM narrow_{}", database.name());
    database.execute(&revoke).await;

    run_with(&database, &data, &[], &[("DATABASE_URL", &url)])
        .await
        .exits(9);
    set(&database, "default_transaction_read_only = on").await;
    load_binary(&database, &data, &[]).await.exits(9);

    assert_eq!(outcomes(&database).await, ["failed"]);
}
