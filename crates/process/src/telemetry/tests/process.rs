//! What needs a process of its own: the subscriber of the whole process, and its end.

use std::io::{ErrorKind, Read as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Output, Stdio};

use super::*;
use crate::report;
use crate::report::ProcessOutcome;
use crate::scratch::Scratch;
use crate::{child, settings};

/// Where the child sends its spans.
const ENDPOINT: &str = "PROCESS_TEST_ENDPOINT";

/// More than the exporter sends in one request, so that several fail, and fewer than it lets wait.
const SPANS: usize = 3500;

fn child_that_loses_spans(result: Result<ProcessOutcome, Failure>) {
    let settings = sending_to(&settings::variable(ENDPOINT).unwrap());
    let _telemetry = start("shop-test", Role::Root, &settings).unwrap();
    let again = start("shop-test", Role::Root, &settings);
    assert!(again.is_err_and(|failure| failure.code == ExitCode::Unexpected));
    for _ in 0..SPANS {
        drop(info_span!("lost"));
    }
    let status = result.as_ref().map_or_else(|failure| failure.code as i32, |_| 0);
    let _ = report::report(result);
    std::process::exit(status);
}

fn parent(test: &str, endpoint: &str, termination_message: &Path) -> std::process::Command {
    let mut command = child::again(module_path!(), test);
    command
        .env(ENDPOINT, endpoint)
        .env("TERMINATION_MESSAGE_PATH", termination_message)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

fn closed() -> String {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    format!("http://user:hunter2@{closed}/v1/traces")
}

fn lines(output: &Output) -> Vec<serde_json::Value> {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    said.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn failure() -> Failure {
    Failure::new(ExitCode::Input, "read products.csv: gone")
}

#[test]
fn a_missing_collector_is_said_once_and_the_last_line_is_the_error() {
    if child::is_asked() {
        return child_that_loses_spans(Err(failure()));
    }
    let scratch = Scratch::new();
    let message = scratch.write("termination-log", "");
    let endpoint = closed();
    let test = "a_missing_collector_is_said_once_and_the_last_line_is_the_error";

    let output = parent(test, &endpoint, &message).output().unwrap();

    let lines = lines(&output);
    assert_eq!(output.status.code(), Some(6), "{lines:?}");
    let [lost, last] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    assert_eq!(
        (&lost["level"], &lost["endpoint"]),
        (&"WARN".into(), &endpoint.replace("user:hunter2@", "").into())
    );
    assert_eq!(
        (&last["level"], &last["message"]),
        (&"ERROR".into(), &"read products.csv: gone".into())
    );
    assert_eq!(last["exit_code"], 6);
    let message = std::fs::read_to_string(message).unwrap();
    assert_eq!(message, "read products.csv: gone");
}

#[test]
fn the_line_of_a_good_end_comes_after_what_the_exporter_has_to_say() {
    if child::is_asked() {
        return child_that_loses_spans(Ok(ProcessOutcome::new(ExitCode::Done, "done: run 1")));
    }
    let scratch = Scratch::new();
    let message = scratch.write("termination-log", "");
    let test = "the_line_of_a_good_end_comes_after_what_the_exporter_has_to_say";

    let output = parent(test, &closed(), &message).output().unwrap();

    let lines = lines(&output);
    assert_eq!(output.status.code(), Some(0), "{lines:?}");
    let said: Vec<_> = lines.iter().map(|line| line["level"].as_str().unwrap()).collect();
    assert_eq!(said, ["WARN", "INFO"]);
    assert_eq!(lines.last().unwrap()["message"], "done: run 1");
    assert_eq!(std::fs::read_to_string(message).unwrap(), "");
}

#[test]
fn a_process_killed_while_it_waits_for_the_collector_has_left_its_message() {
    if child::is_asked() {
        return child_that_loses_spans(Err(failure()));
    }
    let scratch = Scratch::new();
    let message = scratch.write("termination-log", "");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/v1/traces", silent.local_addr().unwrap());
    let test = "a_process_killed_while_it_waits_for_the_collector_has_left_its_message";

    let mut child = parent(test, &endpoint, &message).spawn().unwrap();
    // The collector takes the spans and does not answer.
    let (mut taken, _) = silent.accept().unwrap();
    taken.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut first = [0];
    let read = taken.read(&mut first).map_err(|error| error.kind());
    assert_ne!(read, Err(ErrorKind::WouldBlock));
    let deadline = Instant::now() + Duration::from_secs(20);
    while std::fs::read_to_string(&message).unwrap().is_empty() {
        assert!(Instant::now() < deadline, "no termination message");
        assert_eq!(
            child.try_wait().unwrap(),
            None,
            "it ended before it left a message"
        );
    }
    child.kill().unwrap();

    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), None, "it was not waiting any more");
    assert_eq!(
        std::fs::read_to_string(&message).unwrap(),
        "read products.csv: gone"
    );
    assert!(!String::from_utf8_lossy(&output.stderr).contains("products.csv"));
}

#[test]
fn a_name_that_looks_like_production_is_warned_about_once() {
    let named = |name: &str| Settings {
        environment: name.into(),
        ..sending_to("none")
    };
    let said = |name| -> Vec<String> {
        let lines = run(Role::Member, &named(name), |_| ());
        lines
            .iter()
            .map(|line| line["message"].as_str().unwrap().to_owned())
            .collect()
    };

    for production in ["production", "production ", " Production", "PRODUCTION\n"] {
        assert!(named(production).production(), "{production:?}");
        assert!(said(production).is_empty(), "{production:?}");
    }
    for other in ["prod", "Prod-eu", "productions "] {
        assert!(!named(other).production(), "{other:?}");
        let warning = format!(
            "ENVIRONMENT is {}: only \"production\" switches to production rules",
            other.trim()
        );
        assert_eq!(said(other), [warning]);
    }
    for other in ["development", "staging", "pre-production", ""] {
        assert!(!named(other).production() && said(other).is_empty(), "{other:?}");
    }
}
