//! The example of the documentation, run.

use std::path::PathBuf;

use test_support::{Process, TestDatabase};

#[tokio::test]
async fn the_example_greets_once_and_ends() {
    let database = TestDatabase::migrated().await;
    // Cargo builds the examples with the tests of the package, beside them.
    let test: PathBuf = std::env::current_exe().unwrap();
    let example = test.ancestors().nth(2).unwrap().join("examples/greeting");

    let output = Process::spawn(example, [database.url()], &[]).wait_output().await;

    assert_eq!(
        (output.code, &*output.stdout),
        (Some(0), "Hello, world! (job 1, attempt 1)\n"),
        "{output:?}"
    );
    assert_eq!(database.value("SELECT count(*) FROM job").await, "0");
}
