use test_support::{Process, TestDatabase};

use crate::fixture::{Data, outcomes, spawn};

#[tokio::test]
async fn of_ten_copies_at_once_one_loads_and_all_exit_0() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());

    let copies: Vec<Process> = (0..10).map(|_| spawn(&database, &data, &[], &[])).collect();
    for copy in copies {
        let output = copy.wait_output().await;
        assert_eq!(output.code, Some(0), "{}", output.stderr);
    }

    let mut outcomes = outcomes(&database).await;
    outcomes.sort();
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "changed").count(), 1);
    assert_eq!(
        outcomes.iter().filter(|outcome| *outcome == "unchanged").count(),
        9
    );
    assert_eq!(database.value("SELECT count(*) FROM dataset_versions").await, "1");
}

#[tokio::test]
async fn a_load_waits_no_longer_than_lock_timeout_and_names_the_holder() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    let holder = database.client().await;
    holder
        .batch_execute("SET application_name = 'another load'")
        .await
        .unwrap();
    let lock = format!(
        "SELECT pg_advisory_lock({}, hashtext('products'))",
        database::locks::LOAD
    );
    holder.batch_execute(&lock).await.unwrap();

    let output = spawn(&database, &data, &["--lock-timeout", "0"], &[])
        .wait_output()
        .await;

    assert_eq!(output.code, Some(4), "{}", output.stderr);
    assert!(output.stderr.contains("another load"), "{}", output.stderr);
    assert_eq!(outcomes(&database).await, ["failed"]);
}
