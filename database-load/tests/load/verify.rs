//! Rows that other hands changed are found and named.

use database_load::{READABLE_FORMATS, verify};
use process::failure::ExitCode;
use test_support::TestDatabase;

use crate::fixture::{Data, load_binary, loaded, places, rollback, run_options};

#[tokio::test]
async fn data_as_they_were_loaded_are_clean() {
    let (database, data) = loaded().await;
    data.edit("default/products.csv", "9.99", "10.49");
    data.edit("default/products.csv", "2,Belgian Waffle,10.99,Waffle,,,,\n", "");
    data.load(&database).await;
    // What run time does is no drift.
    database
        .execute(
            "UPDATE api_keys SET revoked_at = now();
             INSERT INTO orders (id, api_key_id, subtotal, discount, total)
             SELECT overlay(gen_random_uuid()::text PLACING '01900000-0000-7' FROM 1)::uuid, api_key_id, 1, 0, 1 FROM orders",
        )
        .await;
    let before = places(&database).await;

    let second = load_binary(&database, &data, &["verify"]).await.exits(0);
    rollback(&database, database_load::Target::Previous).await;
    load_binary(&database, &data, &["verify"]).await.exits(0);

    assert_eq!(second.stdout.matches("as loaded").count(), 5, "{}", second.stdout);
    assert_ne!(places(&database).await, before, "the rollback");
}

/// A line for each: a change by other hands, and the text that names it.
const DRIFT: &str = include_str!("drift.jsonl");

#[tokio::test]
async fn every_kind_of_drift_is_exit_5_and_named() {
    let (database, data) = loaded().await;
    for case in DRIFT.lines() {
        let [change, line]: [String; 2] = serde_json::from_str(case).unwrap();
        database.execute(&change).await;

        let output = load_binary(&database, &data, &["verify"]).await;

        assert_eq!(output.code, Some(5), "{change}: {}", output.stderr);
        assert!(output.stdout.contains(&line), "{change}\n{}", output.stdout);
        assert!(!output.stdout.contains("thief"), "{}", output.stdout);
        output.assert_last_line("the data are not those that were loaded: ");
        // Forced, a load puts everything right but sample orders that are gone, which it adds
        // again.
        database
            .execute(
                "DELETE FROM coupon_codes; DELETE FROM dataset_versions;
                 DELETE FROM promotions WHERE code = 'FREE'; DELETE FROM products WHERE id = 77;
                 ALTER TABLE dataset_versions ALTER COLUMN version RESTART",
            )
            .await;
        data.load(&database).await;
        let output = load_binary(&database, &data, &["verify"]).await;
        assert_eq!(output.code, Some(0), "{change}: {}", output.stdout);
    }
}

#[tokio::test]
async fn rows_that_a_rollback_would_miss_are_drift_too() {
    let (database, _data) = loaded().await;
    database
        .execute("DELETE FROM dataset_rows WHERE dataset = 'api_keys'")
        .await;

    let verification = verify(&database.database(), &run_options(), &[]).await.unwrap();

    assert!(!verification.is_clean());
    let users = verification
        .datasets
        .iter()
        .find(|dataset| dataset.dataset == "users")
        .unwrap();
    assert_eq!(
        users.damage,
        ["dataset_rows: 0 api_keys of version 1 are there, 3 were loaded"]
    );
    assert_eq!(users.differences[0].extra.count, 3);
}

#[tokio::test]
async fn verify_is_json_for_programs() {
    let (database, data) = loaded().await;
    database
        .execute("UPDATE products SET name = 'Pancakes', price = 0 WHERE id = 3")
        .await;

    let output = load_binary(&database, &data, &["verify", "--json"])
        .await
        .exits(5);

    let answer: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(answer["drift"], true);
    let products = answer["datasets"]
        .as_array()
        .unwrap()
        .iter()
        .find(|dataset| dataset["dataset"] == "products")
        .unwrap();
    let different = &products["differences"][0]["different"];
    assert_eq!(different["count"], 1);
    let expected = serde_json::json!([{ "key": "3", "columns": [
        { "column": "name", "stored": "Pancakes", "wanted": "Blueberry Pancakes" },
        { "column": "price", "stored": "0.00", "wanted": "9.99" },
    ] }]);
    assert_eq!(different["rows"], expected);
}

#[tokio::test]
async fn only_the_active_version_counts_and_a_profile_can_be_chosen() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    data.add_drinks("1");
    load_binary(&database, &data, &["--force", "-p", "default", "-p", "drinks"])
        .await
        .exits(0);
    database
        .execute("UPDATE promotions SET value = 2 WHERE code = 'SPRITZ'")
        .await;

    let all = load_binary(&database, &data, &["verify"]).await.exits(5);
    let default = load_binary(&database, &data, &["verify", "-p", "default"])
        .await
        .exits(0);
    load_binary(&database, &data, &["verify", "-p", "other"])
        .await
        .exits(9);

    all.assert_stdout("version 2 of profile drinks: changed since");
    assert!(!default.stdout.contains("promotions"), "{}", default.stdout);
}

#[tokio::test]
async fn nothing_loaded_is_exit_9_and_a_newer_row_format_exit_7() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    load_binary(&database, &data, &["verify"]).await.exits(9);
    data.load(&database).await;
    let newer = READABLE_FORMATS.end() + 1;
    database
        .execute(&format!(
            "UPDATE dataset_rows SET format = {newer} WHERE dataset = 'promotions'"
        ))
        .await;

    let failure = verify(&database.database(), &run_options(), &[])
        .await
        .unwrap_err();

    assert_eq!(failure.code, ExitCode::Incompatible);
}
