//! Back to what was active before, row for row, and what happens then.

use database_load::{Changes, Outcome, Target};
use process::failure::ExitCode;
use test_support::TestDatabase;

use crate::fixture::{
    Data, PRICE_OF_3, block_publication, dataset_rows, load_binary, loaded, outcomes, places,
    publication_waits, refused, rollback, run_time_rows, run_with, spawn, try_rollback, two_versions,
};

#[tokio::test]
async fn a_rollback_restores_every_row_and_forward_again_too() {
    let (database, data) = loaded().await;
    let first = dataset_rows(&database).await;
    data.edit_everything();
    data.load(&database).await;
    let second = dataset_rows(&database).await;
    let mut listener = database.database().listen("dataset_published").await.unwrap();

    let back = rollback(&database, Target::Previous).await;

    // Rows that only the second version had stay, out of force.
    let active_data = |rows: Vec<Vec<String>>| -> Vec<Vec<String>> {
        let is_in_force = |row: &Vec<String>| row.last().unwrap() != "f";
        rows.into_iter().filter(is_in_force).collect()
    };
    assert_eq!((back.outcome, back.version), (Outcome::Changed, Some(1)));
    assert_eq!(active_data(dataset_rows(&database).await), first);
    assert!(listener.next().await.is_some(), "readers are told");
    let forward = rollback(&database, Target::Version(2)).await;
    assert_eq!(forward.version, Some(2));
    assert_eq!(dataset_rows(&database).await, second);
    let codes = (
        "coupon_codes",
        Changes {
            added: 1,
            changed: 0,
            retired: 1,
        },
    );
    assert!(forward.changes.contains(&codes), "{:?}", forward.changes);
}

#[tokio::test]
async fn a_rollback_is_recorded_with_the_profiles_it_left() {
    let (database, _data) = two_versions().await;

    let run = rollback(&database, Target::Previous).await;

    let recorded = format!(
        "SELECT command, profile, outcome, exit_code, version, rows_added, rows_changed, rows_retired, message
         FROM bootstrap_runs WHERE id = '{}'",
        run.run_id
    );
    assert_eq!(
        database.value(&recorded).await,
        "rollback|default|changed|0|1|0|1|0|rolled back from version 2 to version 1"
    );
    let states = "SELECT version, state, retired_at IS NULL FROM dataset_versions ORDER BY version";
    assert_eq!(
        database.rows(states).await,
        [["1", "active", "t"], ["2", "retired", "f"]]
    );
}

#[tokio::test]
async fn what_run_time_owns_stays_as_it_is() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    data.edit(
        "default/promotions.csv",
        "SIXTYOFF,percentage,60,,,,,",
        "SIXTYOFF,percentage,60,,,,,100",
    );
    data.load(&database).await;
    data.edit_everything();
    data.load(&database).await;
    database
        .execute(
            "UPDATE promotion_uses SET uses = 42;
             UPDATE api_keys SET revoked_at = '2025-05-05T00:00:00Z';
             UPDATE orders SET api_key_id = api_key_id",
        )
        .await;
    let before = run_time_rows(&database).await;

    rollback(&database, Target::Previous).await;
    let back = run_time_rows(&database).await;
    rollback(&database, Target::Version(2)).await;

    assert_eq!(back, before);
    assert_eq!(run_time_rows(&database).await, before);
}

#[tokio::test]
async fn after_a_rollback_automatic_runs_leave_the_data_alone_and_force_goes_forward() {
    let (database, data, old) = (TestDatabase::migrated().await, Data::copy(), Data::copy());
    old.load(&database).await;
    data.edit("default/products.csv", "9.99", "10.49");
    data.load(&database).await;
    rollback(&database, Target::Previous).await;
    let before = places(&database).await;

    let held = load_binary(&database, &data, &[]).await;
    let unchanged = load_binary(&database, &old, &[]).await;
    let untouched = places(&database).await;
    let forced = data.force(&database).await;

    assert_eq!((held.code, unchanged.code), (Some(0), Some(0)));
    held.assert_stderr("not brought back without --force");
    assert_eq!(untouched, before);
    assert_eq!(
        outcomes(&database).await,
        ["changed", "changed", "changed", "held", "unchanged", "changed"]
    );
    assert_eq!(forced.profiles[0].version, Some(3));
    assert_eq!(database.value(PRICE_OF_3).await, "10.49");

    // Data that were never active are no way back: they are loaded.
    rollback(&database, Target::Version(1)).await;
    data.edit("default/products.csv", "10.49", "10.99");
    data.load(&database).await;
    assert_eq!(database.value(PRICE_OF_3).await, "10.99");
}

#[tokio::test]
async fn the_previous_version_is_the_newest_before_the_active_one_with_other_data() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    for price in ["9.99", "10.49", "10.99"] {
        let text = std::fs::read_to_string(data.path("default/products.csv")).unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with("3,"))
            .unwrap()
            .to_owned();
        data.edit(
            "default/products.csv",
            &line,
            &format!("3,Blueberry Pancakes,{price},Pancakes,,,,"),
        );
        data.load(&database).await;
    }
    data.force(&database).await;

    let mut went = Vec::new();
    for _ in 0..2 {
        went.push(rollback(&database, Target::Previous).await.version);
    }
    let failure = try_rollback(&database, Target::Previous).await.unwrap_err();

    assert_eq!(went, [Some(2), Some(1)]);
    refused(&failure, ExitCode::Usage, "no version before version 1");
}

#[tokio::test]
async fn rolling_back_to_the_active_version_repairs_it_and_else_does_nothing() {
    let (database, _data) = loaded().await;
    let before = places(&database).await;

    let nothing = rollback(&database, Target::Version(1)).await;
    assert_eq!(nothing.outcome, Outcome::Unchanged);
    let touched = |rows: Vec<Vec<String>>| -> Vec<Vec<String>> {
        // Looked at with FOR UPDATE.
        rows.into_iter()
            .filter(|row| row[0] != "dataset_versions")
            .collect()
    };
    assert_eq!(touched(places(&database).await), touched(before));
    database
        .execute("UPDATE products SET price = 1 WHERE id = 1; DELETE FROM promotions WHERE code = 'SAVE10'")
        .await;
    let repaired = rollback(&database, Target::Version(1)).await;

    assert_eq!(repaired.outcome, Outcome::Changed);
    assert_eq!(
        database.value("SELECT price FROM products WHERE id = 1").await,
        "12.99"
    );
    let count = "SELECT count(*) FROM promotions WHERE active";
    assert_eq!(database.value(count).await, "11");
}

#[tokio::test]
async fn keys_that_changed_hands_go_back_and_one_that_was_revoked_does_not() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    let user = database_user(&data);
    let keys = |list: &[(&str, &str)]| -> String {
        let one = |(id, key): &(&str, &str)| {
            format!(
                r#"{{"id": "00000000-0000-4000-8000-0000000000{id}", "key": "{key}", "user": "{user}", "scopes": ["create_order"]}}"#
            )
        };
        format!("[{}]", list.iter().map(one).collect::<Vec<_>>().join(","))
    };
    let orders = "\n[operations.orders]\nneeds = [\"products\", \"users\", \"promotions\"]\nsources = [\"default/orders.jsonl\"]\n";
    data.edit("default.toml", orders, "");
    // One after the other, as a load allows: a key is free once its row has another.
    for list in [
        [("c1", "first"), ("c2", "second")],
        [("c1", "third"), ("c2", "second")],
        [("c1", "third"), ("c2", "first")],
        [("c1", "second"), ("c2", "first")],
    ] {
        data.write("default/api_keys.json", keys(&list));
        data.load(&database).await;
    }
    let swapped = dataset_rows(&database).await;

    rollback(&database, Target::Version(1)).await;
    let first = dataset_rows(&database).await;
    rollback(&database, Target::Version(4)).await;

    assert_ne!(first, swapped);
    assert_eq!(dataset_rows(&database).await, swapped);
    database
        .execute("UPDATE api_keys SET revoked_at = now() WHERE id::text LIKE '%c2'")
        .await;
    let failure = try_rollback(&database, Target::Version(1)).await.unwrap_err();
    refused(&failure, ExitCode::InvalidData, "was revoked as");
    assert_eq!(dataset_rows(&database).await, swapped);
}

/// The id of a user of the sample data.
fn database_user(data: &Data) -> String {
    let text = std::fs::read_to_string(data.path("default/users.json")).unwrap();
    let (_, rest) = text.split_once("\"id\": \"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

#[tokio::test]
async fn a_rollback_waits_for_a_load_and_takes_back_what_it_brought() {
    let (database, data) = two_versions().await;
    data.edit("default/products.csv", "10.49", "10.99");
    let blocker = block_publication(&database).await;
    let load = spawn(&database, &data, &[], &[]);
    publication_waits(&database).await;
    let mut back = spawn(
        &database,
        &data,
        &["rollback", "-p", "default", "--previous"],
        &[],
    );
    back.wait_for_text("waiting for another load").await;

    blocker.batch_execute("ROLLBACK").await.unwrap();
    let (load, back) = (load.wait_output().await, back.wait_output().await);

    assert_eq!((load.code, back.code), (Some(0), Some(0)), "{}", back.stderr);
    assert_eq!(database.value(PRICE_OF_3).await, "10.49");
    back.assert_last_line("profile default, outcome changed");
}

#[tokio::test]
async fn a_profile_that_brings_less_than_before_goes_back_to_all_of_it() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    let text = std::fs::read_to_string(data.profile()).unwrap();
    data.load(&database).await;
    let first = dataset_rows(&database).await;
    let begin = text.find("[operations.coupon_codes]").unwrap();
    data.write("default.toml", text.split_at(begin).0);
    data.load(&database).await;
    let second = dataset_rows(&database).await;

    rollback(&database, Target::Previous).await;
    assert_eq!(dataset_rows(&database).await, first);
    rollback(&database, Target::Version(2)).await;

    assert_eq!(dataset_rows(&database).await, second);
}

#[tokio::test]
async fn without_a_name_the_profile_of_the_settings_is_rolled_back_if_it_is_the_only_one() {
    let (database, data) = two_versions().await;

    let two = [("PROFILES", "default,minimal")];
    let refused = run_with(&database, &data, &["rollback", "--previous"], &two).await;
    let kept = database.value(PRICE_OF_3).await;
    load_binary(&database, &data, &["rollback", "--previous"])
        .await
        .exits(0);

    assert_eq!(
        (refused.code, kept.as_str()),
        (Some(2), "10.49"),
        "{}",
        refused.stderr
    );
    assert_eq!(database.value(PRICE_OF_3).await, "9.99");
}
