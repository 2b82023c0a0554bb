//! Several loads at the same time.

use test_support::{Process, TestDatabase};

use crate::fixture::{Data, PRICE_OF_3, outcomes, products_lock, run_with, spawn};

#[tokio::test]
async fn of_ten_copies_at_once_one_loads_and_all_exit_0() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());

    let copies: Vec<Process> = (0..10).map(|_| spawn(&database, &data, &[], &[])).collect();
    for copy in copies {
        copy.wait_output().await.exits(0);
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
async fn ten_copies_a_scheduled_one_and_an_old_one_end_in_the_new_data_and_are_all_recorded() {
    let (database, data, old) = (TestDatabase::migrated().await, Data::copy(), Data::copy());
    old.load(&database).await;
    data.edit("default/products.csv", "9.99", "10.49");

    let mut copies: Vec<Process> = (0..10).map(|_| spawn(&database, &data, &[], &[])).collect();
    // As CronJob and Job name them; the old pods' sources were active before.
    copies.push(spawn(&database, &data, &["run", "-p", "default"], &[]));
    copies.extend((0..3).map(|_| spawn(&database, &old, &[], &[])));
    for copy in copies {
        copy.wait_output().await.exits(0);
    }
    run_with(&database, &old, &[], &[]).await;

    assert_eq!(database.value(PRICE_OF_3).await, "10.49");
    let versions = "SELECT version, state FROM dataset_versions ORDER BY version";
    assert_eq!(database.rows(versions).await, [["1", "retired"], ["2", "active"]]);
    let outcomes = outcomes(&database).await;
    let count = |name: &str| outcomes.iter().filter(|outcome| *outcome == name).count();
    // An old copy that looked before the new data came found its own unchanged.
    assert_eq!(
        (count("changed"), outcomes.len()),
        (2, 1 + 14 + 1),
        "{outcomes:?}"
    );
    assert_eq!(count("unchanged") + count("held"), 14, "{outcomes:?}");
    assert_eq!(outcomes.last().unwrap(), "held");
    let others = "SELECT count(*) FROM bootstrap_runs
                  WHERE task = 'database-load' AND (exit_code <> 0 OR finished_at IS NULL OR host = '' OR build = '')";
    assert_eq!(database.value(others).await, "0");
}

#[tokio::test]
async fn a_load_waits_no_longer_than_lock_timeout_and_names_the_holder() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    let holder = products_lock(&database).await;
    holder
        .batch_execute("SET application_name = 'another load'")
        .await
        .unwrap();

    let output = run_with(&database, &data, &["--lock-timeout", "0"], &[])
        .await
        .exits(4);

    output.assert_stderr("another load");
    assert_eq!(outcomes(&database).await, ["failed"]);
}
