//! A scan that is told to stop prints nothing and leaves nothing.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::process::Command;

use test_support::{Process, eventually};

use crate::fixture::{BINARY, Folder, bytes_read, bytes_written, corpus};

fn pipe(folder: &Folder, name: &str) -> String {
    let made = Command::new("mkfifo").arg(folder.path(name)).status();
    assert!(made.unwrap().success());
    folder.name(name)
}

#[tokio::test]
async fn a_signal_while_it_reads_ends_it() {
    for signal in ["TERM", "INT"] {
        let folder = Folder::new();
        let [one, _] = folder.two_files();
        let endless = pipe(&folder, "endless");
        let out = folder.write("out", "of yesterday");
        let process = folder.start([&one, &endless, "--out", &out]);
        let feed = std::thread::spawn(move || {
            let mut pipe = OpenOptions::new().write(true).open(endless).unwrap();
            let lines = "HAPPYHRS\n".repeat(10_000);
            while pipe.write_all(lines.as_bytes()).is_ok() {}
        });
        eventually("the scan reads", async || bytes_read(&process) > 4 << 20).await;

        process.signal(signal);
        let output = process.wait_output().await;

        assert_eq!(output.code, Some(143), "{signal}: {}", output.stderr);
        assert_eq!(output.stdout, "");
        assert_eq!(std::fs::read_to_string(&out).unwrap(), "of yesterday");
        assert_eq!(folder.files(), ["endless", "one.txt", "out", "temp", "two.txt"]);
        feed.join().unwrap();
    }
}

#[tokio::test]
async fn a_signal_while_it_waits_for_a_pipe_ends_it() {
    let folder = Folder::new();
    let other = folder.write("other", "HAPPYHRS\n".repeat(200_000));
    let silent = pipe(&folder, "silent");
    let process = folder.start([&other, &silent]);
    eventually("the other file is read", async || bytes_read(&process) > 1 << 20).await;

    process.signal("TERM");
    let output = process.wait_output().await.exits(143);

    assert_eq!(output.stdout, "");
}

#[tokio::test]
async fn a_signal_while_the_output_is_not_read_ends_it() {
    let folder = Folder::new();
    let codes: String = (0..100_000).map(|number| format!("C{number:08}\n")).collect();
    let [one, two] = [folder.write("one", &codes), folder.write("two", &codes)];
    let full = pipe(&folder, "full");
    // Both ends are open and neither is read.
    let reader = OpenOptions::new().read(true).write(true).open(&full).unwrap();
    let script = "exec \"$0\" coupons scan \"$1\" \"$2\" >\"$3\"";
    let process = Process::spawn("sh", ["-c", script, BINARY, &one, &two, &full], &[]);
    eventually("the pipe is full", async || bytes_written(&process) > 60_000).await;

    process.signal("TERM");

    process.wait_output().await.exits(143);
    drop(reader);
}

#[tokio::test]
async fn a_signal_while_a_corpus_is_made_leaves_no_file() {
    let folder = Folder::new();
    let out = folder.path("corpus");
    let arguments = ["coupons", "generate", "--shape", "mixed", "--scale", "1", "--out"];
    let name = folder.name("corpus");
    let process = Process::spawn(BINARY, arguments.iter().chain([&name.as_str()]), &[]);
    eventually("it has begun", async || {
        out.read_dir().is_ok_and(|mut files| files.next().is_some())
    })
    .await;

    process.signal("TERM");
    process.wait_output().await.exits(143);

    assert_eq!(out.read_dir().unwrap().count(), 0);
}

/// What is spilled has no name: even a kill leaves nothing.
#[tokio::test]
async fn a_kill_while_it_spills_leaves_no_temporary_file() {
    let folder = Folder::new();
    let corpus = corpus("mixed", "0.05");
    let files = (1..=3).map(|number| corpus.join(format!("mixed{number}.gz")).into_os_string());
    let process = folder.start(files.chain(["--memory", "64M"].map(Into::into)));
    eventually("the scan spills", async || bytes_written(&process) > 1 << 20).await;

    process.signal("KILL");

    assert_eq!(process.wait_output().await.signal, Some(9));
    assert_eq!(folder.files(), ["temp"]);
}
