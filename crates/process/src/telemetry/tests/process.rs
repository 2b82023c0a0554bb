//! What needs a process of its own: the subscriber of the whole process, and its end.

use std::net::TcpListener;
use std::process::{Command, Output};

use super::*;
use crate::scratch::Scratch;

/// How the child learns where to send its spans.
const ENDPOINT: &str = "PROCESS_TEST_ENDPOINT";

#[test]
#[ignore = "what `child` runs in a process of its own"]
fn lose_spans_and_fail() {
    // Nobody asked: all ignored tests are being run.
    let Some(endpoint) = crate::settings::variable(ENDPOINT) else {
        return;
    };
    let settings = sending_to(&endpoint);
    let telemetry = start("shop-test", Role::Root, &settings).unwrap();
    let again = start("shop-test", Role::Root, &settings);
    assert_eq!(again.unwrap_err().code, ExitCode::Unexpected);

    let provider = telemetry.provider.clone().unwrap();
    for _ in 0..3 {
        drop(info_span!("lost"));
        assert!(provider.force_flush().is_err());
    }
    telemetry.shutdown();
    let _ = crate::exit::report(Err(Failure::new(ExitCode::Input, "read products.csv: gone")));
}

fn child(endpoint: &str, scratch: &Scratch) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "telemetry::tests::process::lose_spans_and_fail",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env(ENDPOINT, endpoint)
        .env("TERMINATION_MESSAGE_PATH", scratch.write("termination-log", ""))
        .output()
        .unwrap()
}

#[test]
fn a_missing_collector_is_said_once_and_the_last_error_is_logged() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = format!("http://user:hunter2@{closed}/v1/traces");
    let scratch = Scratch::new();

    let output = child(&endpoint, &scratch);

    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let lines: Vec<serde_json::Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [lost, last] = lines.as_slice() else {
        panic!("{said}")
    };
    assert_eq!(
        (&lost["level"], &lost["endpoint"]),
        (&"WARN".into(), &format!("http://{closed}/v1/traces").into())
    );
    assert_eq!(
        (&last["level"], &last["message"]),
        (&"ERROR".into(), &"read products.csv: gone".into())
    );
    assert_eq!(last["exit_code"], 6);
    let message = std::fs::read_to_string(scratch.path().join("termination-log")).unwrap();
    assert_eq!(message, "read products.csv: gone");
}
