//! What was active, what the runs did, and which of them were lost.

use database_load::{Target, history, status};
use serde_json::Value;
use test_support::TestDatabase;

use crate::fixture::{Data, load_binary, loaded, rollback, run_options, run_with, spawn, two_versions};

fn column<'a>(rows: &'a Value, name: &str) -> Vec<&'a Value> {
    rows.as_array().unwrap().iter().map(|row| &row[name]).collect()
}

#[tokio::test]
async fn a_run_records_what_started_it() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());

    for trigger in ["init", "cronjob", "job"] {
        let environment = [("RUN_TRIGGER", trigger)];
        run_with(&database, &data, &["run"], &environment).await.exits(0);
    }
    load_binary(&database, &data, &["run"]).await.exits(0);
    let refused = spawn(&database, &data, &["verify"], &[("RUN_TRIGGER", "cron")]);
    refused.wait_output().await.exits(2);

    let all = history(&database.database(), &run_options(), &[], 20)
        .await
        .unwrap();
    assert_eq!(
        column(&all.json["runs"], "trigger"),
        ["manual", "job", "cronjob", "init"]
    );
}

#[tokio::test]
async fn history_shows_versions_and_runs_newest_first() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    data.edit("default.toml", "description", "version = 7\ndescription");
    data.load(&database).await;
    data.edit("default/products.csv", "9.99", "10.49");
    data.load(&database).await;
    rollback(&database, Target::Previous).await;
    data.load(&database).await;

    let all = history(&database.database(), &run_options(), &[], 20)
        .await
        .unwrap();
    let one = history(&database.database(), &run_options(), &["default".into()], 1)
        .await
        .unwrap();
    let none = history(&database.database(), &run_options(), &["other".into()], 20)
        .await
        .unwrap();

    assert_eq!(column(&all.json["versions"], "version"), [2, 1]);
    assert_eq!(column(&all.json["versions"], "state"), ["retired", "active"]);
    assert_eq!(all.json["versions"][0]["rows"]["products"], 10);
    assert_eq!(all.json["versions"][0]["source_version"], 7);
    assert_eq!(
        column(&all.json["runs"], "command"),
        ["run", "rollback", "run", "run"]
    );
    assert_eq!(
        column(&all.json["runs"], "outcome"),
        ["held", "changed", "changed", "changed"]
    );
    assert_eq!(column(&all.json["runs"], "exit_code"), [0, 0, 0, 0]);
    assert_eq!(all.json["runs"][1]["rows_changed"], 1);
    assert_eq!(
        all.json["runs"][1]["message"],
        "rolled back from version 2 to version 1"
    );
    assert_eq!(column(&one.json["versions"], "version"), [2]);
    assert_eq!(column(&one.json["runs"], "outcome"), ["held"]);
    assert_eq!(none.json, serde_json::json!({ "versions": [], "runs": [] }));
    for text in ["retired", "rollback", "held", "+0 ~1 -0"] {
        assert!(all.text.contains(text), "{text}: {}", all.text);
    }
}

#[tokio::test]
async fn status_says_what_a_profile_was_rolled_back_from_until_it_goes_forward() {
    let (database, data) = two_versions().await;
    let from = async || {
        let answer = status(&database.database(), &run_options()).await.unwrap();
        answer.json["versions"][0]["rolled_back_from"].clone()
    };

    let before = from().await;
    rollback(&database, Target::Previous).await;
    let after = from().await;
    data.force(&database).await;

    assert_eq!((before, after), (Value::Null, 2.into()));
    assert_eq!(from().await, Value::Null);
}

#[tokio::test]
async fn a_run_without_a_heartbeat_for_a_minute_is_shown_as_lost() {
    let (database, data) = loaded().await;
    let running = "INSERT INTO bootstrap_runs (id, task, profile, build, host, heartbeat_at)
                   VALUES (gen_random_uuid(), 'database-load', $$, '1', 'pod', now() - interval '%')";
    for (profile, age) in [("alive", "55 s"), ("lost", "61 s")] {
        let insert = running.replace("$$", &format!("'{profile}'")).replace('%', age);
        database.execute(&insert).await;
    }

    let output = load_binary(&database, &data, &["status", "--json"]).await;
    let text = load_binary(&database, &data, &["status"]).await;

    let answer: Value = serde_json::from_str(&output.stdout).unwrap();
    let runs = answer["runs"].as_array().unwrap();
    let outcome = |profile: &str| &runs.iter().find(|run| run["profile"] == profile).unwrap()["outcome"];
    assert_eq!(
        (outcome("alive"), outcome("lost")),
        (&"running".into(), &"lost".into())
    );
    let line = text
        .stdout
        .lines()
        .find(|line| line.contains("  lost  "))
        .unwrap();
    assert_eq!(line.matches("lost").count(), 2, "profile and outcome: {line}");
}
