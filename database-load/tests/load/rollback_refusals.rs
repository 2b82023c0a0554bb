//! Versions that are not brought back: nothing changes then.

use database_load::{ROW_FORMAT, Target};
use process::failure::ExitCode;

use crate::fixture::{dataset_rows, load_binary, refused, try_rollback, two_versions};

#[tokio::test]
async fn versions_that_cannot_be_had_are_refused_and_nothing_changes() {
    let (database, data) = two_versions().await;
    let before = dataset_rows(&database).await;

    for (arguments, code, says) in [
        (
            ["-p", "default", "--to", "77"],
            2,
            "no version 77 that was ever active",
        ),
        (
            ["-p", "nothing", "--to", "1"],
            2,
            "profile nothing has no active version",
        ),
    ] {
        let arguments: Vec<&str> = ["rollback"].into_iter().chain(arguments).collect();
        let output = load_binary(&database, &data, &arguments).await.exits(code);
        output.assert_stderr(says);
    }
    for usage in [
        ["-p", "default"].as_slice(),
        &[],
        &["-p", "default", "--to", "1", "--previous"],
    ] {
        let arguments: Vec<&str> = ["rollback"].iter().chain(usage).copied().collect();
        assert_eq!(
            load_binary(&database, &data, &arguments).await.code,
            Some(2),
            "{usage:?}"
        );
    }
    let newer = ROW_FORMAT + 1;
    database
        .execute(&format!(
            "UPDATE dataset_rows SET format = {newer} WHERE version = 1 AND key = '3'"
        ))
        .await;
    let rows = try_rollback(&database, Target::Version(1)).await.unwrap_err();
    database
        .execute(&format!(
            "UPDATE dataset_rows SET format = {ROW_FORMAT}; UPDATE dataset_versions SET format = {newer} WHERE version = 1"
        ))
        .await;
    let version = load_binary(&database, &data, &["rollback", "-p", "default", "--previous"])
        .await
        .exits(7);
    database
        .execute("UPDATE dataset_versions SET pruned_at = now() WHERE version = 1")
        .await;
    let pruned = try_rollback(&database, Target::Previous).await.unwrap_err();

    assert_eq!(rows.code, ExitCode::Incompatible, "{}", rows.line());
    version.assert_stderr("this build reads 1 to");
    refused(
        &pruned,
        ExitCode::Usage,
        "version 1 of profile default was pruned",
    );
    assert_eq!(dataset_rows(&database).await, before);
    let failed = "SELECT command, exit_code, count(*) FROM bootstrap_runs WHERE outcome = 'failed' GROUP BY 1, 2 ORDER BY 2";
    assert_eq!(
        database.rows(failed).await,
        [["rollback", "2", "3"], ["rollback", "7", "2"]]
    );
}

#[tokio::test]
async fn a_version_that_the_api_could_not_serve_is_not_brought_back() {
    let (database, _data) = two_versions().await;
    let before = dataset_rows(&database).await;
    let broken = "UPDATE dataset_rows SET row = row || '{\"image\": \"t\"}'
                  WHERE dataset = 'products' AND key = '3' AND version = (SELECT min(version) FROM dataset_rows)";
    database.execute(broken).await;

    let failure = try_rollback(&database, Target::Previous).await.unwrap_err();

    assert_eq!(failure.code, ExitCode::Incompatible, "{}", failure.line());
    let says = "cannot be served by this build: products 3: image: ";
    assert!(failure.line().contains(says), "{}", failure.line());
    assert_eq!(dataset_rows(&database).await, before);
}
