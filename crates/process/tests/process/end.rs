//! The end of a process: its termination message, its last spans and its last line.

use std::io::{ErrorKind, Read as _};
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use process::failure::{ExitCode, Failure};
use process::report::{ProcessOutcome, report, run};
use process::{settings, telemetry};
use tempfile::NamedTempFile;
use test_support::{Output, Process, eventually};

use crate::{again, is_child};

/// Where the child sends its spans.
const ENDPOINT: &str = "PROCESS_TEST_ENDPOINT";

/// More than the exporter sends in one request, so that several fail, and fewer than it lets wait.
const SPANS: usize = 3500;

fn child_that_loses_spans(result: Result<ProcessOutcome, Failure>) {
    let settings = telemetry::Settings {
        otlp_endpoint: settings::variable(ENDPOINT).unwrap(),
        ..telemetry::Settings::default()
    };
    let start = || telemetry::start("shop-test", telemetry::Role::Root, &settings);
    let _telemetry = start().unwrap();
    assert!(start().is_err_and(|failure| failure.code == ExitCode::Unexpected));
    for _ in 0..SPANS {
        drop(tracing::info_span!("lost"));
    }
    let status = result.as_ref().map_or_else(|failure| failure.code as i32, |_| 0);
    let _ = report(result);
    std::process::exit(status);
}

fn start(test: &str, endpoint: &str, termination_message: &Path) -> Process {
    let message = termination_message.to_str().unwrap();
    let environment = [(ENDPOINT, endpoint), ("TERMINATION_MESSAGE_PATH", message)];
    again(&format!("end::{test}"), &environment)
}

fn closed() -> String {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    format!("http://user:hunter2@{closed}")
}

fn lines(output: &Output) -> Vec<serde_json::Value> {
    let lines = output.stderr.lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn content(file: &NamedTempFile) -> String {
    std::fs::read_to_string(file).unwrap()
}

fn failure() -> Failure {
    Failure::new(ExitCode::Input, "read products.csv: gone")
}

#[tokio::test]
async fn a_missing_collector_is_said_once_and_the_last_line_is_the_error() {
    if is_child() {
        return child_that_loses_spans(Err(failure()));
    }
    let (message, endpoint) = (NamedTempFile::new().unwrap(), closed());
    let test = "a_missing_collector_is_said_once_and_the_last_line_is_the_error";

    let output = start(test, &endpoint, message.path()).wait_output().await;

    let lines = lines(&output);
    assert_eq!(output.code, Some(6), "{lines:?}");
    let [lost, last] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    let shown = format!("{}/v1/traces", endpoint.replace("user:hunter2@", ""));
    assert_eq!(
        (&lost["level"], &lost["endpoint"]),
        (&"WARN".into(), &shown.into())
    );
    let error = (&last["level"], &last["message"], &last["exit_code"]);
    assert_eq!(
        error,
        (&"ERROR".into(), &"read products.csv: gone".into(), &6.into())
    );
    assert_eq!(content(&message), "read products.csv: gone");
}

#[tokio::test]
async fn the_line_of_a_good_end_comes_after_what_the_exporter_has_to_say() {
    if is_child() {
        return child_that_loses_spans(Ok(ProcessOutcome::new(ExitCode::Done, "done: run 1")));
    }
    let message = NamedTempFile::new().unwrap();
    let test = "the_line_of_a_good_end_comes_after_what_the_exporter_has_to_say";

    let output = start(test, &closed(), message.path()).wait_output().await;

    let lines = lines(&output);
    assert_eq!(output.code, Some(0), "{lines:?}");
    let levels: Vec<_> = lines.iter().map(|line| line["level"].as_str().unwrap()).collect();
    assert_eq!(levels, ["WARN", "INFO"]);
    assert_eq!(lines[1]["message"], "done: run 1");
    assert_eq!(content(&message), "");
}

#[tokio::test]
async fn a_panic_ends_a_process_with_one_line_that_says_what() {
    if is_child() {
        let settings = telemetry::Settings {
            otlp_endpoint: "none".into(),
            ..telemetry::Settings::default()
        };
        let _ = run(|| -> Result<ProcessOutcome, Failure> {
            let _telemetry = telemetry::start("shop-test", telemetry::Role::Root, &settings)?;
            panic!("a value that\ncannot be")
        });
        // The status of a test is not that of `main`.
        std::process::exit(1);
    }
    let message = NamedTempFile::new().unwrap();
    let test = "a_panic_ends_a_process_with_one_line_that_says_what";

    let output = start(test, "none", message.path()).wait_output().await;

    let lines = lines(&output);
    assert_eq!(output.code, Some(1), "{lines:?}");
    let [first, last] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    let place = "panicked at crates/process/tests/process/end.rs:";
    assert!(first["message"].as_str().unwrap().starts_with(place), "{first}");
    let said = last["message"].as_str().unwrap();
    assert!(
        said.starts_with(&format!("a fault of this program: {place}")),
        "{said}"
    );
    assert!(said.ends_with("a value that cannot be"), "{said}");
    assert_eq!(content(&message), said);
}

#[tokio::test]
async fn a_process_killed_while_it_waits_for_the_collector_has_left_its_message() {
    if is_child() {
        return child_that_loses_spans(Err(failure()));
    }
    let message = NamedTempFile::new().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let test = "a_process_killed_while_it_waits_for_the_collector_has_left_its_message";

    let mut child = start(test, &endpoint, message.path());
    // The collector takes the spans and does not answer.
    let (mut taken, _) = silent.accept().unwrap();
    taken.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let read = taken.read(&mut [0]).map_err(|error| error.kind());
    assert_ne!(read, Err(ErrorKind::WouldBlock));
    eventually("a termination message", async || {
        assert!(child.running(), "it ended before it left a message");
        !content(&message).is_empty()
    })
    .await;
    child.signal("KILL");

    let output = child.wait_output().await;
    assert_eq!(output.signal, Some(9), "it was not waiting any more");
    assert_eq!(content(&message), "read products.csv: gone");
    assert!(!output.stderr.contains("products.csv"));
}
