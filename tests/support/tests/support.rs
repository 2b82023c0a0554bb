//! The promises of this crate that other crates' tests rely on.

use test_support::{OwnCluster, Stop, TestDatabase};

#[tokio::test]
async fn tests_that_run_at_once_do_not_see_each_others_rows() {
    let (one, other) = tokio::join!(TestDatabase::migrated(), TestDatabase::migrated());

    one.execute("INSERT INTO products VALUES (1, 'Pizza', 12.50, 'Pizza')")
        .await;

    assert_eq!(one.value("SELECT count(*) FROM products").await, "1");
    assert_eq!(other.value("SELECT count(*) FROM products").await, "0");
}

#[tokio::test]
async fn an_empty_database_has_no_tables() {
    let database = TestDatabase::empty().await;

    assert_eq!(
        database
            .value("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
            .await,
        "0"
    );
}

#[tokio::test]
async fn a_cluster_comes_back_after_a_crash_with_what_was_committed() {
    let mut cluster = OwnCluster::start();
    cluster
        .client()
        .await
        .batch_execute("CREATE TABLE kept (); INSERT INTO kept DEFAULT VALUES")
        .await
        .unwrap();

    cluster.stop(Stop::Immediate);
    cluster.start_again();

    let kept = cluster
        .client()
        .await
        .query_one("SELECT count(*) FROM kept", &[])
        .await
        .unwrap();
    assert_eq!(kept.get::<_, i64>(0), 1);
}
