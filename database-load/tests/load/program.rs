//! What every command has in common: help with an example, JSON, exit codes for what is not there.

use serde_json::Value;
use test_support::{Process, TestDatabase};

use crate::fixture::{Data, load_binary, loaded, outcomes, run_with};

/// Each command as it is typed.
const COMMANDS: [&[&str]; 8] = [
    &["run"],
    &["plan"],
    &["status"],
    &["history"],
    &["verify"],
    &["rollback", "-p", "default", "--previous"],
    &["prune", "--keep", "3"],
    &["freshness", "--max-age", "12h"],
];

fn with<'a>(command: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    command.iter().chain(more).copied().collect()
}

#[tokio::test]
async fn every_command_has_help_with_an_example() {
    for words in COMMANDS
        .map(|command| vec![command[0], "--help"])
        .into_iter()
        .chain([vec!["--help"]])
    {
        let output = Process::spawn(env!("CARGO_BIN_EXE_database-load"), &words, &[])
            .wait_output()
            .await
            .exits(0);
        assert!(output.stdout.contains("Example:"), "{words:?}: {}", output.stdout);
    }
}

#[tokio::test]
async fn every_command_exits_3_without_a_database_and_9_without_its_schema() {
    let (empty, data) = (TestDatabase::empty().await, Data::copy());
    for command in COMMANDS {
        let arguments = with(command, &["--wait-timeout", "0", "--json"]);
        let environment = [("DATABASE_URL", "postgres://nobody@127.0.0.1:1/nothing")];

        let away = run_with(&empty, &data, &arguments, &environment).await;
        let bare = load_binary(&empty, &data, &arguments).await;

        assert_eq!(away.code, Some(3), "{command:?}: {}", away.stderr);
        assert_eq!(bare.code, Some(9), "{command:?}: {}", bare.stderr);
        for (output, code) in [(away, 3), (bare, 9)] {
            let answer: Value = serde_json::from_str(&output.stdout).unwrap();
            assert_eq!(answer["error"]["exit_code"], code, "{command:?}");
            assert!(
                answer["error"]["message"].as_str().unwrap().len() > 10,
                "{command:?}"
            );
        }
    }
}

#[tokio::test]
async fn every_command_answers_with_one_json_value() {
    let (database, data) = loaded().await;
    data.edit("default/products.csv", "9.99", "10.49");
    for (command, path, value) in [
        (COMMANDS[1], "/profiles/0/tables/0/table", "users"),
        (COMMANDS[0], "/runs/0/outcome", "changed"),
        (COMMANDS[2], "/versions/0/profile", "default"),
        (COMMANDS[3], "/versions/1/state", "retired"),
        (COMMANDS[4], "/datasets/0/dataset", "coupon_codes"),
        (COMMANDS[5], "/runs/0/outcome", "changed"),
        (COMMANDS[6], "/outcome", "unchanged"),
        (COMMANDS[7], "/profiles/0/profile", "default"),
    ] {
        let output = load_binary(&database, &data, &with(command, &["--json"])).await;

        assert_eq!(output.code, Some(0), "{command:?}: {}", output.stderr);
        let answer: Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!(
            answer.pointer(path),
            Some(&value.into()),
            "{command:?}: {answer:#}"
        );
    }
    assert_eq!(
        outcomes(&database).await,
        ["changed", "changed", "changed", "unchanged"]
    );
}

#[tokio::test]
async fn a_run_answers_with_what_it_wrote_and_a_failed_one_with_its_error() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());

    let loaded = load_binary(&database, &data, &["--json"]).await;
    data.edit("default/products.csv", "9.99", "9.999");
    let failed = load_binary(&database, &data, &["--json"]).await;

    let answer: Value = serde_json::from_str(&loaded.stdout).unwrap();
    let run = &answer["runs"][0];
    assert_eq!(
        (&run["version"], &run["changes"]["products"]["added"]),
        (&1.into(), &10.into())
    );
    let recorded = database
        .value("SELECT id FROM bootstrap_runs WHERE task = 'database-load' AND outcome = 'changed'")
        .await;
    assert_eq!(run["run_id"], recorded.as_str());
    let answer: Value = serde_json::from_str(&failed.stdout).unwrap();
    assert_eq!(
        (failed.code, &answer["error"]["exit_code"]),
        (Some(10), &10.into())
    );
}
