//! `--json`: answers on standard output and log lines on standard error, for programs.

use serde_json::Value;
use test_support::{TestDatabase, json_lines};

use crate::program::{run, start_with};

#[tokio::test]
async fn the_log_of_a_run_has_each_step_with_its_fields() {
    let database = TestDatabase::empty().await;
    let environment = [("DATABASE_URL", database.url())];

    let output = start_with(&["up", "--to", "2", "--json"], &environment)
        .wait_output()
        .await;

    assert_eq!(
        (output.code, output.stdout.as_str()),
        (Some(0), ""),
        "{}",
        output.stderr
    );
    let log = json_lines(&output.stderr);
    let done: Vec<String> = log
        .iter()
        .map(Value::to_string)
        .filter(|line| line.contains("duration_ms") && line.contains("\"attempts\":1"))
        .collect();
    assert_eq!(done.len(), 2, "{}", output.stderr);
    assert!(done[1].contains("0002_orders/up.sql"), "{}", done[1]);
    assert!(
        log.last()
            .unwrap()
            .to_string()
            .contains("outcome changed, version 2")
    );
}

#[tokio::test]
async fn every_answer_is_one_object_with_its_time_and_name() {
    let database = TestDatabase::migrated().await;
    for (command, name) in [
        (&["status"] as &[&str], "status"),
        (&["plan", "--to", "3"], "plan"),
        (&["validate"], "validation"),
    ] {
        let output = run(&database, &[command, &["--json"]].concat()).await;

        assert_eq!(output.code, Some(0), "{command:?}: {}", output.stderr);
        let answer = json_lines(&output.stdout);
        assert_eq!(
            (answer.len(), &answer[0]["event"]),
            (1, &name.into()),
            "{command:?}"
        );
        assert!(answer[0]["timestamp"].as_str().unwrap().ends_with('Z'));
    }
}

#[tokio::test]
async fn without_json_only_answers_go_to_standard_output() {
    let database = TestDatabase::empty().await;

    assert_eq!(run(&database, &["up"]).await.stdout, "");
    assert!(run(&database, &["status"]).await.stdout.contains("version"));
}
