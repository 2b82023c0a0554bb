//! A source that cannot be reached fails a run, or leaves what is active.

use database_load::Outcome;
use process::failure::ExitCode;
use test_support::TestDatabase;

use crate::fixture::{findings, run_with};
use crate::packing::gzip;
use crate::server::{Fault, Server, Validator};
use crate::sources::{DEARER, PRICE, PRODUCTS, keep, load, products, settings};

#[tokio::test]
async fn a_source_that_cannot_be_reached_fails_or_keeps_what_is_active() {
    let (database, server) = (TestDatabase::migrated().await, Server::start());
    server.put("/menu.csv", PRODUCTS, Validator::ETag);
    let data = products(&server.url("/menu.csv"));
    let nothing_yet = {
        server.fail([Fault::Status(503, ""), Fault::Status(503, "")]);
        load(&data, &database, keep()).await.unwrap_err()
    };
    load(&data, &database, settings()).await.unwrap();
    server.put("/menu.csv", DEARER, Validator::ETag);
    // No answer, once to the question, once to the download.
    server.fail([
        Fault::Status(403, ""),
        Fault::Status(500, ""),
        Fault::Status(500, ""),
    ]);
    let asking = load(&data, &database, keep()).await.unwrap();
    server.fail(vec![Fault::CutOff; 8]);
    let fetching = load(&data, &database, keep()).await.unwrap();
    drop(server);
    let gone = load(&data, &database, keep()).await.unwrap();
    let failed = load(&data, &database, settings()).await.unwrap_err();

    assert_eq!(nothing_yet.code, ExitCode::Input, "{}", nothing_yet.line());
    assert_eq!([asking, fetching, gone], [Outcome::Kept; 3]);
    assert_eq!(failed.code, ExitCode::Input, "{}", failed.line());
    assert_eq!(database.value(PRICE).await, "2.50");
    let recorded = database
        .rows("SELECT outcome, exit_code, version FROM bootstrap_runs WHERE task = 'database-load' ORDER BY started_at, id")
        .await;
    let kept = ["kept", "0", "1"];
    assert_eq!(
        recorded,
        [
            ["failed", "6", "∅"],
            ["changed", "0", "1"],
            kept,
            kept,
            kept,
            ["failed", "6", "∅"]
        ]
    );
    let messages =
        "SELECT count(*) FROM bootstrap_runs WHERE outcome = 'kept' AND message LIKE '%/menu.csv: %'";
    assert_eq!(database.value(messages).await, "3");
}

#[tokio::test]
async fn invalid_data_and_what_is_not_there_fail_whatever_may_be_kept() {
    let (database, server) = (TestDatabase::migrated().await, Server::start());
    server.put("/menu.csv", PRODUCTS, Validator::ETag);
    let data = products(&server.url("/menu.csv"));
    load(&data, &database, keep()).await.unwrap();
    server.put("/menu.csv", PRODUCTS.replace("2.50", "-1"), Validator::ETag);
    let invalid = load(&data, &database, keep()).await.unwrap_err();
    server.put("/menu.csv", &gzip(DEARER)[..30], Validator::ETag);
    let damaged = load(&data, &database, keep()).await.unwrap_err();
    server.remove("/menu.csv");
    let missing = load(&data, &database, keep()).await.unwrap_err();

    assert_eq!(invalid.code, ExitCode::InvalidData, "{}", invalid.line());
    assert_eq!(damaged.code, ExitCode::InvalidData, "{}", damaged.line());
    assert!(findings(&damaged).contains("cut off"), "{}", findings(&damaged));
    assert_eq!(missing.code, ExitCode::Usage, "{}", missing.line());
    assert_eq!(database.value(PRICE).await, "2.50");
}

#[tokio::test]
async fn on_unreachable_is_an_option_and_a_variable_and_the_option_goes_first() {
    let (database, server) = (TestDatabase::migrated().await, Server::start());
    server.put("/menu.csv", PRODUCTS, Validator::ETag);
    let data = products(&server.url("/menu.csv"));
    load(&data, &database, settings()).await.unwrap();
    drop(server);
    let run = async |arguments: &[&str], value: &str| {
        let environment = [("ON_UNREACHABLE", value), ("SOURCE_RETRIES", "0")];
        run_with(&database, &data, arguments, &environment).await
    };

    let variable = run(&[], "keep").await;
    let option = run(&["--on-unreachable", "keep"], "fail").await;
    run(&[], "").await.exits(6);
    let wrong = run(&[], "never").await.exits(2);

    for output in [&variable, &option] {
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        output.assert_stderr("outcome kept");
        output.assert_stderr("WARN");
    }
    wrong.assert_stderr("ON_UNREACHABLE");
}
