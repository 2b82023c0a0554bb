//! Command lines that are wrong, and help.

use std::os::unix::fs::symlink;

use crate::fixture::{BINARY, Folder};
use test_support::Process;

#[tokio::test]
async fn wrong_usage_is_exit_2_and_names_what_is_wrong() {
    let folder = Folder::new();
    let [one, two] = folder.two_files();
    let many: Vec<String> = (0..65)
        .map(|number| folder.write(&format!("{number}"), "HAPPYHRS\n"))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (arguments, says) in [
        (vec![], "FILE"),
        (vec![one.as_str()], "2 to 64 files"),
        (many.clone(), "64 files"),
        (vec![&one, &two, "--min-files", "0"], "stand in 0 of 2 files"),
        (vec![&one, &two, "--min-files", "3"], "stand in 3 of 2 files"),
        (vec![&one, &two, "--memory", "63M"], "at least 64M"),
        (vec![&one, &two, "--memory", "much"], "--memory"),
        (vec![&one, &two, "--threads", "0"], "--threads"),
        (vec![&one, &two, "--colour"], "--colour"),
    ] {
        let output = folder.scan(&arguments).await;
        assert_eq!(output.code, Some(2), "{arguments:?}: {}", output.stderr);
        assert!(output.stderr.contains(says), "{arguments:?}: {}", output.stderr);
        assert_eq!(output.stdout, "");
    }
    let sixty_four = folder.scan(&many[1..]).await;
    assert_eq!(
        (sixty_four.code, sixty_four.stdout.as_str()),
        (Some(0), "HAPPYHRS\n")
    );
}

#[tokio::test]
async fn one_file_under_two_names_is_exit_2() {
    let folder = Folder::new();
    let [one, two] = folder.two_files();
    symlink("one.txt", folder.path("link")).unwrap();
    let (link, roundabout) = (folder.name("link"), folder.name("temp/../one.txt"));
    for other in [&one, &link, &roundabout] {
        let output = folder.scan([&one, &two, other]).await;
        assert_eq!(output.code, Some(2), "{other}: {}", output.stderr);
        output.assert_stderr("is the same file as");
    }
    folder.scan(["-", "-", &one]).await.exits(2);
}

/// Wrong settings and an absent database stop every other command.
#[tokio::test]
async fn no_setting_and_no_database_is_looked_at() {
    let folder = Folder::new();
    let [one, two] = folder.two_files();
    let environment = [
        ("DATABASE_URL", "nonsense"),
        ("LOG_FORMAT", "nonsense"),
        ("PROFILES", "nonsense"),
    ];

    let output = Process::spawn(BINARY, ["coupons", "scan", &one, &two], &environment)
        .wait_output()
        .await
        .exits(0);

    assert_eq!(output.stdout, "BIRTHDAY\nHAPPYHRS\n");
}

#[tokio::test]
async fn help_has_an_example() {
    for command in ["scan", "generate"] {
        let output = Process::spawn(BINARY, ["coupons", command, "--help"], &[])
            .wait_output()
            .await
            .exits(0);
        output.assert_stdout("Example: database-load coupons");
    }
}
