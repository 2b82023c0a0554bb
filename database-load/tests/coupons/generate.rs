//! `coupons generate` writes the same bytes for the same arguments.

use std::process::{Command, Stdio};

use test_support::Process;

use crate::fixture::{BINARY, Folder, corpus};

async fn make(folder: &Folder, arguments: &[&str]) -> test_support::Output {
    let all = ["coupons", "generate"]
        .iter()
        .chain(arguments)
        .map(|argument| argument.to_string());
    let out = folder.name("corpus");
    Process::spawn(BINARY, all.chain(["--out".to_owned(), out]), &[])
        .wait_output()
        .await
}

#[tokio::test]
async fn the_files_are_said_and_the_same_seed_makes_the_same_bytes() {
    let (folder, again) = (Folder::new(), Folder::new());
    let arguments = ["--shape", "published", "--scale", "0.0001"];
    let output = make(&folder, &arguments).await.exits(0);
    make(&again, &arguments).await;

    let files: Vec<&str> = output.stdout.lines().collect();
    assert_eq!(files.len(), 5);
    for file in files {
        let name = file.rsplit('/').next().unwrap();
        let [one, other] =
            [file.into(), again.path("corpus").join(name)].map(|path| std::fs::read(path).unwrap());
        assert_eq!(one, other, "{name}");
    }
}

#[tokio::test]
async fn every_gzip_reads_the_files() {
    for (shape, name) in [("published", "couponbase"), ("mixed", "mixed")] {
        let corpus = corpus(shape, "0.01");
        for number in 1..=3 {
            let file = corpus.join(format!("{name}{number}.gz"));
            let tested = Command::new("gzip")
                .arg("--test")
                .arg(file)
                .stderr(Stdio::inherit())
                .status();
            assert!(tested.unwrap().success());
        }
    }
}

#[tokio::test]
async fn wrong_usage_is_exit_2_and_a_full_or_missing_place_exit_6() {
    let folder = Folder::new();
    for arguments in [
        ["--shape", "round", "--scale", "0.1"],
        ["--shape", "mixed", "--scale", "-1"],
        ["--shape", "mixed", "--scale", "NaN"],
        ["--shape", "mixed", "--scale", "11"],
        ["--shape", "mixed", "--seed", "x"],
    ] {
        let output = make(&folder, &arguments).await;
        assert_eq!(output.code, Some(2), "{arguments:?}: {}", output.stderr);
    }
    let file = folder.write("file", "");

    let arguments = [
        "coupons", "generate", "--shape", "mixed", "--scale", "0", "--out", &file,
    ];
    Process::spawn(BINARY, arguments, &[])
        .wait_output()
        .await
        .exits(6);
}
