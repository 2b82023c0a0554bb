//! The same scan as part of a load.

use std::path::{Path, PathBuf};

use test_support::{Output, Process, TestDatabase, eventually};

use crate::fixture::{BINARY, Folder, bytes_read, corpus};

/// A corpus, and a profile of nothing else.
async fn with_corpus() -> (TestDatabase, Folder, PathBuf, String) {
    let (database, folder) = (TestDatabase::migrated().await, Folder::new());
    let corpus = corpus("mixed", "0.05");
    let files = (1..=3).map(|number| corpus.join(format!("mixed{number}.gz")));
    let sources: Vec<String> = files.map(|file| format!("{file:?}")).collect();
    let text = format!("[operations.coupon_codes]\nsources = [{}]\n", sources.join(", "));
    let profile = folder.write("bulk.toml", text);
    (database, folder, corpus, profile)
}

fn start(database: &TestDatabase, folder: &Folder, profile: &str, memory: &str) -> Process {
    let temp = folder.name("temp");
    let environment = [
        ("DATABASE_URL", database.url()),
        ("COUPON_MEMORY", memory),
        ("COUPON_TEMP_DIR", &temp),
    ];
    Process::spawn(BINARY, ["run", "-p", profile], &environment)
}

/// Waits for the end; also returns how many bytes the process has read, all files and sockets
/// together.
async fn ended(mut process: Process) -> (Output, u64) {
    let mut read = 0;
    while process.running() {
        read = bytes_read(&process).max(read);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    (process.wait_output().await, read)
}

fn bytes_of(corpus: &Path) -> u64 {
    let sizes = (1..=3).map(|number| corpus.join(format!("mixed{number}.gz")).metadata().unwrap().len());
    sizes.sum()
}

#[tokio::test]
async fn a_coupon_file_without_any_code_is_warned_of() {
    let (database, folder) = (TestDatabase::migrated().await, Folder::new());
    let [one, two] = folder.two_files();
    let none = folder.write("quoted.csv", "\"HAPPYHRS\",1\n\"BIRTHDAY\",2\n");
    let text = format!("[operations.coupon_codes]\nsources = [{one:?}, {two:?}, {none:?}]\n");
    let profile = folder.write("three.toml", text);

    let (output, _) = ended(start(&database, &folder, &profile, "448M")).await;

    assert_eq!(output.code, Some(0), "{}", output.stderr);
    output.assert_stderr("a coupon file holds no line of 8 to 10 characters, and so no code");
    output.assert_stderr("quoted.csv");
    assert_eq!(database.value("SELECT count(*) FROM coupon_codes").await, "2");
}

#[tokio::test]
async fn a_load_publishes_exactly_the_valid_codes_and_reads_each_byte_once() {
    let (database, folder, corpus, profile) = with_corpus().await;

    let (output, read) = ended(start(&database, &folder, &profile, "448M")).await;

    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let stored = database
        .rows("SELECT code FROM coupon_codes ORDER BY code COLLATE \"C\"")
        .await;
    let valid = std::fs::read_to_string(corpus.join("valid.txt")).unwrap();
    assert_eq!(stored.len(), valid.lines().count());
    assert!(stored.iter().map(|row| row[0].as_str()).eq(valid.lines()));
    // Fingerprint, checksum and scan: one pass.
    let once = bytes_of(&corpus);
    assert!(
        read < once + once / 2,
        "{read} bytes were read, the files have {once}"
    );
    assert_eq!(folder.files(), ["bulk.toml", "temp"]);
}

#[tokio::test]
async fn unchanged_files_are_not_scanned_again() {
    let (database, folder, corpus, profile) = with_corpus().await;
    start(&database, &folder, &profile, "448M")
        .wait_output()
        .await
        .exits(0);

    let (output, read) = ended(start(&database, &folder, &profile, "448M")).await;

    assert_eq!(output.code, Some(0), "{}", output.stderr);
    output.assert_stderr("unchanged");
    assert!(read < bytes_of(&corpus) / 10, "{read} bytes were read");
}

#[tokio::test]
async fn a_signal_while_a_load_scans_leaves_nothing() {
    let (database, folder, corpus, profile) = with_corpus().await;
    let process = start(&database, &folder, &profile, "64M");
    eventually("the load scans", async || {
        bytes_read(&process) > bytes_of(&corpus) / 8
    })
    .await;

    process.signal("TERM");
    process.wait_output().await.exits(143);

    assert_eq!(database.value("SELECT count(*) FROM coupon_codes").await, "0");
    assert_eq!(database.value("SELECT count(*) FROM dataset_versions").await, "0");
    assert_eq!(folder.files(), ["bulk.toml", "temp"]);
}

#[tokio::test]
async fn too_little_memory_is_exit_2_and_names_the_setting() {
    let environment = [
        ("COUPON_MEMORY", "63M"),
        ("DATABASE_URL", "postgres://nobody@127.0.0.1:1/nothing"),
    ];

    let output = Process::spawn(BINARY, ["run"], &environment)
        .wait_output()
        .await
        .exits(2);

    output.assert_stderr("COUPON_MEMORY");
    output.assert_stderr("at least 64M");
}
