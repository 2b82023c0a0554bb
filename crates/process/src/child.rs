//! Tests that need a process of their own: the test runs itself again as a child, and is told so by a variable.

use std::process::Command;

use crate::settings;

const ASKED: &str = "PROCESS_TEST_CHILD";

/// Whether this process was started by [`again`].
pub(crate) fn is_asked() -> bool {
    settings::variable(ASKED).is_some()
}

/// A process that runs nothing but this test; `module` is the test's `module_path!()`.
pub(crate) fn again(module: &str, test: &str) -> Command {
    let (_crate, module) = module.split_once("::").unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([&format!("{module}::{test}"), "--exact", "--nocapture"])
        .env(ASKED, "1");
    command
}
