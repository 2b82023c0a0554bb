//! The commands of operators.

use serde_json::Value;
use test_support::{Output, OwnCluster, Process, TestDatabase};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_order-food");

/// Runs `order-food jobs …`; a blank is between two arguments.
pub(crate) async fn jobs(database: &TestDatabase, arguments: &str) -> Output {
    jobs_with(database, arguments, &[]).await
}

pub(crate) async fn jobs_with(
    database: &TestDatabase,
    arguments: &str,
    environment: &[(&str, &str)],
) -> Output {
    let mut all = vec![("DATABASE_URL", database.url())];
    all.extend_from_slice(environment);
    let arguments = ["jobs"].into_iter().chain(arguments.split(' '));
    Process::spawn(PROGRAM, arguments, &all).wait_output().await
}

/// The same with `--json`, as JSON.
pub(crate) async fn jobs_json(database: &TestDatabase, arguments: &str) -> Value {
    let output = jobs(database, &format!("{arguments} --json")).await;
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{arguments}: {error}: {output:?}"))
}

/// Runs another command of the program.
pub(crate) async fn run(command: &str, environment: &[(&str, &str)]) -> Output {
    Process::spawn(PROGRAM, [command], environment)
        .wait_output()
        .await
}

/// A server of its own with the schema of this build.
pub(crate) async fn migrated_cluster() -> OwnCluster {
    let cluster = OwnCluster::start();
    let database = database::Database::new(&cluster.settings(), "test").unwrap();
    database_migration::up(&database).await.unwrap();
    cluster
}
