//! The commands of operators.

use serde_json::Value;
use test_support::{Output, Process, TestDatabase};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_order-food");

/// Runs `order-food jobs …`.
pub(crate) async fn jobs(database: &TestDatabase, arguments: &[&str]) -> Output {
    jobs_with(database, arguments, &[]).await
}

pub(crate) async fn jobs_with(
    database: &TestDatabase,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Output {
    let mut all = vec![("DATABASE_URL", database.url())];
    all.extend_from_slice(environment);
    let arguments = ["jobs"].iter().chain(arguments);
    Process::spawn(PROGRAM, arguments, &all).wait_output().await
}

/// The same with `--json`, as JSON.
pub(crate) async fn jobs_json(database: &TestDatabase, arguments: &[&str]) -> Value {
    let output = jobs(database, &[arguments, &["--json"]].concat()).await;
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {output:?}"))
}
