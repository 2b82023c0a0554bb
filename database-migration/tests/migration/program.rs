//! The program itself, as it runs in a pod.

use test_support::{Output, Process, TestDatabase};

/// The version that the program brings.
pub(crate) const NEWEST: i32 = database::version::NEWEST;

/// Starts the program against a database, with its log as text.
pub(crate) fn start(database: &TestDatabase, arguments: &[&str]) -> Process {
    start_at(database.url(), arguments)
}

/// As [`start`], with any address.
pub(crate) fn start_at(url: &str, arguments: &[&str]) -> Process {
    start_with(arguments, &[("DATABASE_URL", url)])
}

/// Starts the program with nothing but the given environment.
pub(crate) fn start_with(arguments: &[&str], environment: &[(&str, &str)]) -> Process {
    let environment = [&[("LOG_FORMAT", "text")], environment].concat();
    Process::spawn(env!("CARGO_BIN_EXE_database-migration"), arguments, &environment)
}

/// Runs the program against a database to its end.
pub(crate) async fn run(database: &TestDatabase, arguments: &[&str]) -> Output {
    start(database, arguments).wait_output().await
}
