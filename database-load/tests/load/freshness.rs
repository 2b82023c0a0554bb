//! How long ago the sources were compared with the active data.

use std::time::Duration;

use database_load::{Target, freshness};
use process::failure::ExitCode;
use test_support::TestDatabase;

use crate::fixture::{Data, load_binary, loaded, rollback, run_options};

/// Makes all runs so far older.
async fn age(database: &TestDatabase, interval: &str) {
    let age = format!(
        "UPDATE bootstrap_runs SET started_at = started_at - interval '{interval}', finished_at = finished_at - interval '{interval}'"
    );
    database.execute(&age).await;
}

async fn is_fresh(database: &TestDatabase, profiles: &[&str], max_age: Duration) -> bool {
    let profiles: Vec<String> = profiles.iter().map(ToString::to_string).collect();
    let (answer, verdict) = freshness(&database.database(), &run_options(), &profiles, max_age)
        .await
        .unwrap();
    assert_eq!(answer.json["fresh"], verdict.is_ok(), "{answer:?}");
    assert!(
        verdict
            .as_ref()
            .err()
            .is_none_or(|failure| failure.code == ExitCode::Stale)
    );
    verdict.is_ok()
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn data_are_fresh_since_the_last_run_that_compared_them() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    assert!(!is_fresh(&database, &[], HOUR).await, "nothing was loaded");
    data.load(&database).await;
    assert!(is_fresh(&database, &[], HOUR).await);
    age(&database, "61 min").await;
    assert!(!is_fresh(&database, &[], HOUR).await);

    data.load(&database).await;
    assert!(
        is_fresh(&database, &[], HOUR).await,
        "an unchanged source was compared"
    );
    age(&database, "61 min").await;
    data.edit("default/products.csv", "9.99", "9.999");
    data.try_load(&database).await.unwrap_err();
    assert!(
        !is_fresh(&database, &[], HOUR).await,
        "a failed run compared nothing"
    );

    data.edit("default/products.csv", "9.999", "10.49");
    data.load(&database).await;
    age(&database, "61 min").await;
    rollback(&database, Target::Previous).await;
    assert!(
        !is_fresh(&database, &[], HOUR).await,
        "a rollback compared nothing"
    );
    data.load(&database).await;
    assert!(is_fresh(&database, &[], HOUR).await, "held, but compared");
}

#[tokio::test]
async fn stale_data_exit_11_and_name_the_profile() {
    let (database, data) = loaded().await;
    age(&database, "13 h").await;

    let stale = load_binary(&database, &data, &["freshness", "--max-age", "12h", "--json"])
        .await
        .exits(11);
    let fresh = load_binary(&database, &data, &["freshness", "--max-age", "2d"])
        .await
        .exits(0);
    load_binary(&database, &data, &["freshness", "--max-age", "soon"])
        .await
        .exits(2);

    stale.assert_stderr("profile default was last checked 468");
    let answer: serde_json::Value = serde_json::from_str(&stale.stdout).unwrap();
    assert_eq!(
        (&answer["fresh"], &answer["max_age_s"]),
        (&false.into(), &43_200.into())
    );
    fresh.assert_stdout("default");
}

#[tokio::test]
async fn profiles_whose_data_were_all_replaced_do_not_count_unless_they_are_named() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    data.write(
        "drinks.toml",
        "[operations.promotions]\nsources = [\"default/promotions.csv\"]\n",
    );
    load_binary(&database, &data, &["-p", "drinks"]).await.exits(0);
    age(&database, "2 h").await;
    data.load(&database).await;

    assert!(is_fresh(&database, &[], HOUR).await);
    assert!(!is_fresh(&database, &["drinks"], HOUR).await);
    assert!(!is_fresh(&database, &["default", "nothing"], HOUR).await);
}
