//! Old versions lose their rows; what is active and the way back do not.

use database_load::{Outcome, Target, prune};
use test_support::TestDatabase;

use crate::fixture::{Data, dataset_rows, load_binary, rollback, run_options, try_rollback};

/// Loads so many versions, each with a price and a coupon code of its own.
async fn versions(database: &TestDatabase, data: &Data, count: usize) {
    for number in 1..=count {
        data.write(
            "default/products.csv",
            std::fs::read_to_string(data.path("default/products.csv"))
                .unwrap()
                .lines()
                .map(|line| match line.starts_with("3,") {
                    true => format!("3,Blueberry Pancakes,{number}.00,Pancakes,,,,\n"),
                    false => format!("{line}\n"),
                })
                .collect::<String>(),
        );
        data.write(
            "default/coupons2.txt",
            format!("HAPPYHRS\nWAFFLE24\nDINNER4TWO\nNUMBER{number:03}\n"),
        );
        data.write(
            "default/coupons3.txt",
            format!("FIFTYOFF\nDINNER4TWO\nNUMBER{number:03}\n"),
        );
        data.load(database).await;
    }
}

/// The versions that have rows, and those that have coupon codes.
async fn kept(database: &TestDatabase) -> (String, String) {
    let of = |table: &str| {
        format!(
            "SELECT coalesce(string_agg(DISTINCT version::text, ',' ORDER BY version::text), '') FROM {table}"
        )
    };
    (
        database.value(&of("dataset_rows")).await,
        database.value(&of("coupon_codes")).await,
    )
}

#[tokio::test]
async fn the_newest_versions_are_kept_and_the_rest_is_gone() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    versions(&database, &data, 5).await;
    let before = dataset_rows(&database).await;

    let output = load_binary(&database, &data, &["prune", "--keep", "3"])
        .await
        .exits(0);
    let again = prune(&database.database(), &run_options(), &[], 3).await.unwrap();

    output.assert_stdout("version 2 of profile default\n2 versions given up");
    assert_eq!(kept(&database).await, ("3,4,5".into(), "3,4,5".into()));
    assert_eq!(dataset_rows(&database).await, before);
    assert_eq!((again.outcome(), again.versions.len()), (Outcome::Unchanged, 0));
    let recorded = "SELECT command, profile, outcome, exit_code, message FROM bootstrap_runs WHERE command = 'prune' ORDER BY started_at LIMIT 1";
    let recorded = database.value(recorded).await;
    assert!(
        recorded.starts_with("prune|∅|changed|0|versions given up: 1, 2; deleted "),
        "{recorded}"
    );
    output.assert_last_line("done: run ");
    output.assert_last_line("outcome changed");
    // Pruned data are still known: they are not taken for new ones.
    let old = Data::copy();
    versions(&database, &old, 1).await;
    let query = "SELECT outcome FROM bootstrap_runs ORDER BY started_at DESC LIMIT 1";
    assert_eq!(database.value(query).await, "held");
}

#[tokio::test]
async fn neither_the_active_version_nor_the_way_back_is_ever_pruned() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    versions(&database, &data, 5).await;
    rollback(&database, Target::Version(3)).await;

    prune(&database.database(), &run_options(), &[], 0).await.unwrap();

    assert_eq!(kept(&database).await, ("2,3".into(), "2,3".into()));
    assert_eq!(rollback(&database, Target::Previous).await.version, Some(2));
    let gone = try_rollback(&database, Target::Previous).await.unwrap_err();
    assert!(
        gone.line().contains("version 1 of profile default was pruned"),
        "{}",
        gone.line()
    );
    let forward = try_rollback(&database, Target::Version(5)).await.unwrap_err();
    assert!(forward.line().contains("was pruned"), "{}", forward.line());
}

#[tokio::test]
async fn what_an_interrupted_pruning_left_the_next_one_deletes() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    versions(&database, &data, 3).await;
    // As after a kill between giving up and deleting, and one while orphaned staging was removed.
    database
        .execute(
            "UPDATE dataset_versions SET pruned_at = now() WHERE version = 1;
             INSERT INTO coupon_codes VALUES (77, 'ORPHAN01'), (77, 'ORPHAN02')",
        )
        .await;

    let pruned = prune(&database.database(), &run_options(), &[], 9).await.unwrap();

    assert_eq!((pruned.outcome(), pruned.versions.len()), (Outcome::Changed, 0));
    assert_eq!(kept(&database).await, ("2,3".into(), "2,3".into()));
    assert!(pruned.coupon_codes > 2 && pruned.rows > 10, "{pruned:?}");
}

#[tokio::test]
async fn only_the_profiles_that_are_named_are_pruned() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    versions(&database, &data, 3).await;

    load_binary(&database, &data, &["prune", "--keep", "1", "-p", "other"])
        .await
        .exits(0);
    assert_eq!(kept(&database).await.0, "1,2,3");
    let output = load_binary(
        &database,
        &data,
        &["prune", "--keep", "1", "-p", "default", "--json"],
    )
    .await;

    let answer: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(
        answer["versions"],
        serde_json::json!([{ "profile": "default", "version": 1 }])
    );
    assert_eq!(answer["outcome"], "changed");
    assert_eq!(kept(&database).await.0, "2,3");
}
