//! Where the codes go.

use std::os::unix::fs::{PermissionsExt, symlink};

use crate::fixture::Folder;

const CODES: &str = "BIRTHDAY\nHAPPYHRS\n";

#[tokio::test]
async fn out_replaces_the_file_whole_and_leaves_nothing_beside_it() {
    let folder = Folder::new();
    let [one, two] = folder.two_files();
    let out = folder.write("codes", "of yesterday\n");
    std::fs::set_permissions(&out, PermissionsExt::from_mode(0o640)).unwrap();
    symlink("codes", folder.path("link")).unwrap();

    let output = folder.scan([&one, &two, "--out", &folder.name("link")]).await;

    assert_eq!(
        (output.code, output.stdout.as_str()),
        (Some(0), ""),
        "{}",
        output.stderr
    );
    assert_eq!(std::fs::read_to_string(&out).unwrap(), CODES);
    assert!(folder.path("link").is_symlink());
    assert_eq!(
        std::fs::metadata(&out).unwrap().permissions().mode() & 0o777,
        0o640
    );
    assert_eq!(folder.files(), ["codes", "link", "one.txt", "temp", "two.txt"]);
}

#[tokio::test]
async fn out_in_the_current_folder_and_into_a_device_works() {
    let folder = Folder::new();
    let files = folder.two_files();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let here = format!("cd {} && ", folder.name(""));

    folder
        .shell(&format!("{here} exec $scan \"$@\" --out new"), &files)
        .await
        .exits(0);
    let device = folder.shell("exec $scan \"$@\" --out /dev/stdout", &files).await;
    let dash = folder.shell("exec $scan \"$@\" --out -", &files).await;

    assert_eq!(std::fs::read_to_string(folder.path("new")).unwrap(), CODES);
    assert_eq!(
        (device.code, device.stdout.as_str()),
        (Some(0), CODES),
        "{}",
        device.stderr
    );
    assert_eq!(
        (dash.code, dash.stdout.as_str()),
        (Some(0), CODES),
        "{}",
        dash.stderr
    );
}

#[tokio::test]
async fn a_full_disk_is_exit_6() {
    let folder = Folder::new();
    let [one, two] = folder.two_files();
    for script in [
        "exec $scan \"$@\" >/dev/full",
        "exec $scan \"$@\" --out /dev/full",
    ] {
        let output = folder.shell(script, &[&one, &two]).await;
        assert_eq!(output.code, Some(6), "{script}: {}", output.stderr);
        output.assert_stderr("No space left");
        assert_eq!(folder.files(), ["one.txt", "temp", "two.txt"]);
    }
}

#[tokio::test]
async fn a_folder_that_cannot_take_the_output_is_exit_6_before_anything_is_read() {
    let folder = Folder::new();
    let [one, two] = folder.two_files();
    for out in ["nowhere/codes", "temp", "one.txt/codes"] {
        let output = folder.scan([&one, &two, "--out", &folder.name(out)]).await;
        assert_eq!(output.code, Some(6), "{out}: {}", output.stderr);
        output.assert_stderr(&folder.name(out));
    }
}

#[tokio::test]
async fn out_never_replaces_a_file_that_is_scanned() {
    let folder = Folder::new();
    let [one, two] = folder.two_files();
    let before = std::fs::read(&one).unwrap();

    folder.scan([&one, &two, "--out", &one]).await.exits(2);

    assert_eq!(std::fs::read(&one).unwrap(), before);
}

#[tokio::test]
async fn a_reader_that_wants_no_more_is_no_error() {
    let folder = Folder::new();
    let codes: String = (0..100_000).map(|number| format!("C{number:08}\n")).collect();
    let files = [folder.write("a", &codes), folder.write("b", &codes)];
    let files: Vec<&str> = files.iter().map(String::as_str).collect();

    let script = "$scan \"$@\" | head -n 1; exit ${PIPESTATUS[0]}";
    let output = folder.shell(script, &files).await.exits(0);

    assert_eq!(
        (output.stdout.as_str(), output.stderr.as_str()),
        ("C00000000\n", "")
    );
}
