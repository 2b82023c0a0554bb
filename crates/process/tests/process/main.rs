//! Processes of their own: signals, the subscriber of the whole process, and the end of a process.
#![expect(
    clippy::unwrap_used,
    reason = "what fails in a test's helper is a failed test"
)]

mod end;
mod signals;

use process::settings;
use test_support::Process;

const ASKED: &str = "PROCESS_TEST_CHILD";

/// Whether this process was started by [`again`].
fn is_child() -> bool {
    settings::variable(ASKED).is_some()
}

/// A process that runs nothing but this test.
fn again(test: &str, environment: &[(&str, &str)]) -> Process {
    let environment = [environment, &[(ASKED, "1")]].concat();
    let this = std::env::current_exe().unwrap();
    Process::spawn(this, [test, "--exact", "--nocapture"], &environment)
}
