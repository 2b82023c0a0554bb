//! `--json`: what programs read.

use serde_json::Value;
use test_support::{Process, TestDatabase};

use crate::program::{NEWEST, run, start_with};

/// Standard output as events.
fn events(stdout: &str) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let events: Vec<Value> = stdout.lines().map(parse).collect();
    for event in &events {
        let is_time = |time: &Value| time.as_str().is_some_and(|time| time.ends_with('Z'));
        assert!(
            is_time(&event["timestamp"]) && event["event"].is_string(),
            "{event}"
        );
    }
    events
}

fn names(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_run_tells_each_step_and_ends_with_its_outcome() {
    let database = TestDatabase::empty().await;

    let output = run(&database, &["up", "--to", "2", "--json"]).await;

    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let events = events(&output.stdout);
    assert_eq!(
        names(&events),
        [
            "starting",
            "planned",
            "step_started",
            "step_done",
            "step_started",
            "step_done",
            "done"
        ]
    );
    let (planned, last) = (&events[1], &events[6]);
    assert_eq!(
        planned["files"],
        serde_json::json!(["0001_shop.up.sql", "0002_orders.up.sql"])
    );
    assert_eq!(
        (&events[4]["step"], &events[4]["of"], &events[4]["file"]),
        (&2.into(), &2.into(), &"0002_orders.up.sql".into())
    );
    assert!(events[5]["duration_ms"].is_u64() && events[5]["attempts"] == 1);
    assert_eq!(
        (
            &last["outcome"],
            &last["before"],
            &last["version"],
            &last["exit_code"]
        ),
        (&"changed".into(), &0.into(), &2.into(), &0.into())
    );
    assert_eq!(last["run_id"], events[0]["run_id"]);
    assert!(
        output.stderr.contains("Step 2 of 2"),
        "the log stays: {}",
        output.stderr
    );
}

#[tokio::test]
async fn every_command_answers_with_events_alone() {
    let database = TestDatabase::empty().await;
    let newest = NEWEST.to_string();
    let commands: [(&[&str], &str); 8] = [
        (&["up"], "done"),
        (&["up"], "done"),
        (&["status"], "status"),
        (&["plan", "--to", "3"], "plan"),
        (&["validate"], "validation"),
        (&["repair"], "done"),
        (&["wait", "--for-version", &newest], "done"),
        (&["down", "--steps", "1"], "done"),
    ];
    for (command, last) in commands {
        let output = run(&database, &[command, &["--json"]].concat()).await;

        assert_eq!(output.code, Some(0), "{command:?}: {}", output.stderr);
        assert_eq!(names(&events(&output.stdout)).last(), Some(&last), "{command:?}");
    }
}

#[tokio::test]
async fn a_failure_is_the_last_event_whatever_it_is() {
    let database = TestDatabase::migrated().await;
    database
        .execute("UPDATE schema_migrations SET up_sha256 = sha256('edited') WHERE version = 2")
        .await;
    for (output, code) in [
        (run(&database, &["up", "--json"]).await, 5),
        (run(&database, &["validate", "--json"]).await, 5),
        (run(&database, &["down", "--steps", "1", "--json"]).await, 5),
        (start_with(&["--json"], &[]).wait_output().await, 2),
    ] {
        assert_eq!(output.code, Some(code), "{}", output.stderr);
        let events = events(&output.stdout);
        let last = events.last().unwrap();
        assert_eq!(
            (&last["event"], &last["exit_code"]),
            (&"failed".into(), &code.into())
        );
        let log = output.stderr.lines().last().unwrap();
        let error = last["error"].as_str().unwrap();
        assert!(log.contains(error), "{log}: {error}");
    }
}

#[tokio::test]
async fn without_json_only_answers_go_to_standard_output() {
    let database = TestDatabase::empty().await;

    assert_eq!(run(&database, &["up"]).await.stdout, "");
    assert!(run(&database, &["status"]).await.stdout.contains("version"));
}

#[tokio::test]
async fn a_run_whose_events_nobody_reads_does_its_work() {
    let database = TestDatabase::empty().await;
    let program = env!("CARGO_BIN_EXE_database-migration");
    let script = format!("set -o pipefail; '{program}' up --json | true");

    let environment = [("DATABASE_URL", database.url())];
    let output = Process::spawn("bash", ["-c", script.as_str()], &environment)
        .wait_output()
        .await;

    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert_eq!(
        database.value("SELECT max(version) FROM schema_migrations").await,
        NEWEST.to_string()
    );
}
