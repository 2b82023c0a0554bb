//! Failures to reach the database, and termination messages.

use std::time::{Duration, Instant};

use test_support::{Data, Output, TestDatabase};

use crate::pod::{ALL, API, LOAD, MIGRATION, Pod};

/// How the programs are told to wait for one second only.
const IMPATIENT: [(&str, &[&str]); 3] = [
    (MIGRATION, &["--wait-timeout", "1"]),
    (LOAD, &["--wait-timeout", "1"]),
    (API, &[]),
];

/// Runs a program with a file for its termination message; returns the message, too.
async fn run_with_message(pod: Pod, program: &str, arguments: &[&str]) -> (Output, String) {
    let folder = Data::scratch();
    let path = folder.write("termination-log", "");
    let output = pod
        .with("TERMINATION_MESSAGE_PATH", path)
        .run(program, arguments)
        .await;
    (output, folder.read("termination-log"))
}

#[tokio::test]
async fn a_database_that_is_down_is_said_once_and_ends_with_3_after_the_wait() {
    for (program, arguments) in IMPATIENT {
        let pod = Pod::at("postgres://app:hunter2@127.0.0.1:1/food").with("WAIT_TIMEOUT", 1);
        let started = Instant::now();

        let (output, message) = run_with_message(pod, program, arguments).await;

        assert_eq!(output.code, Some(3), "{program}: {}", output.stderr);
        assert!(started.elapsed() >= Duration::from_secs(1), "{program}");
        assert!(started.elapsed() < Duration::from_secs(15), "{program}");
        let waiting = output.stderr.matches("waiting for the database").count();
        assert_eq!(waiting, 1, "{program}: {}", output.stderr);
        assert!(
            message.contains("127.0.0.1:1/food cannot be reached"),
            "{program}: {message}"
        );
        assert!(message.contains("refused"), "the cause: {program}: {message}");
        assert!(
            !message.contains("hunter2") && !output.stderr.contains("hunter2"),
            "{program}: {}",
            output.stderr
        );
    }
}

#[tokio::test]
async fn a_password_that_is_refused_ends_with_2_at_once() {
    let database = TestDatabase::migrated().await;
    let (user, rest) = database.url().rsplit_once('@').unwrap();
    let url = format!("{}:hunter2@{rest}", user.rsplit_once(':').unwrap().0);
    for program in ALL {
        let started = Instant::now();

        let (output, message) = run_with_message(Pod::at(&url), program, &[]).await;

        assert_eq!(output.code, Some(2), "{program}: {}", output.stderr);
        assert!(started.elapsed() < Duration::from_secs(30), "{program}");
        assert!(
            message.contains("password authentication failed"),
            "{program}: {message}"
        );
        assert!(!output.stderr.contains("hunter2"), "{program}: {}", output.stderr);
    }
}

#[tokio::test]
async fn the_termination_message_is_the_last_line_of_the_log() {
    let empty = TestDatabase::empty().await;
    let (output, message) = run_with_message(Pod::on(&empty), LOAD, &["--wait-timeout", "0"]).await;

    assert_eq!(output.code, Some(9), "{}", output.stderr);
    let line = test_support::json_lines(&output.stderr).pop().unwrap();
    assert_eq!(line["message"], message.as_str());
    assert_eq!((&line["level"], &line["exit_code"]), (&"ERROR".into(), &9.into()));

    let (output, message) = run_with_message(Pod::on(&empty).with("PORT", "70000"), API, &[]).await;
    assert_eq!(output.stderr, format!("error: {message}\n"));
}

#[tokio::test]
async fn a_success_leaves_no_run_with_message() {
    let database = TestDatabase::empty().await;

    let (output, message) = run_with_message(Pod::on(&database), MIGRATION, &[]).await;

    assert_eq!((output.code, message.as_str()), (Some(0), ""));
}
