//! Generated corpora, whose valid codes and counts are known: exact, whatever the memory.

use std::path::{Path, PathBuf};

use serde_json::Value;
use test_support::{Output, Process};

use crate::fixture::{Folder, corpus, kernel_figure};

const MEBIBYTE: u64 = 1 << 20;

fn expected(corpus: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(corpus.join("expected.json")).unwrap()).unwrap()
}

fn files(corpus: &Path) -> Vec<PathBuf> {
    let expected = expected(corpus);
    let names = expected["files"].as_array().unwrap().iter();
    names.map(|name| corpus.join(name.as_str().unwrap())).collect()
}

fn start(folder: &Folder, corpus: &Path, options: &[&str]) -> Process {
    let files = files(corpus).into_iter().map(PathBuf::into_os_string);
    folder.start(files.chain(options.iter().map(Into::into)))
}

/// The codes are those of the corpus, no more and no fewer.
fn assert_exact(corpus: &Path, output: &Output) {
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let valid = std::fs::read_to_string(corpus.join("valid.txt")).unwrap();
    assert!(
        output.stdout == valid,
        "{} lines instead of {}",
        output.stdout.lines().count(),
        valid.lines().count()
    );
}

#[tokio::test]
async fn both_shapes_are_scanned_exactly_and_counted_by_any_number_of_threads() {
    let folder = Folder::new();
    for (shape, threads) in [("published", "2"), ("mixed", "1"), ("mixed", "7")] {
        let corpus = corpus(shape, "0.01");
        let options = ["--stats", "--json", "--threads", threads];
        let output = start(&folder, &corpus, &options).wait_output().await;

        assert_exact(&corpus, &output);
        assert!(shape == "mixed" || output.stdout.lines().count() == 8);
        let (figures, expected): (Value, Value) =
            (serde_json::from_str(&output.stderr).unwrap(), expected(&corpus));
        for name in ["lines", "in_range", "distinct", "repeats", "valid", "text_bytes"] {
            assert_eq!(figures[name], expected[name], "{shape}, {threads}: {name}");
        }
    }
}

#[tokio::test]
async fn a_file_on_standard_input_is_as_good_as_on_disk() {
    let (folder, corpus) = (Folder::new(), corpus("published", "0.01"));
    let files = files(&corpus);
    let files: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();

    let output = folder.shell("exec $scan - $2 $3 <$1", &files).await;

    assert_exact(&corpus, &output);
}

/// The kernel's own figure, looked at until the process ends.
#[tokio::test]
async fn peak_memory_stays_within_the_budget_when_the_codes_do_not_fit() {
    for (shape, scale) in [("published", "0.1"), ("mixed", "0.05")] {
        let (folder, corpus) = (Folder::new(), corpus(shape, scale));
        let mut process = start(&folder, &corpus, &["--memory", "64M"]);
        let mut peak = 0;
        while process.running() {
            peak = peak.max(1024 * kernel_figure(&process, "status", "VmHWM:"));
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        let output = process.wait_output().await;

        assert_exact(&corpus, &output);
        let valid = expected(&corpus)["valid"].as_u64().unwrap();
        let allowed = (64 + 64) * MEBIBYTE + 16 * valid;
        assert!(peak > 16 * MEBIBYTE, "{shape}: {peak}");
        assert!(peak <= allowed, "{shape}: {peak} of {allowed} bytes");
    }
}

#[tokio::test]
async fn without_a_temporary_folder_several_passes_do() {
    let (folder, corpus) = (Folder::new(), corpus("mixed", "0.05"));
    std::fs::remove_dir(folder.path("temp")).unwrap();

    let again = start(&folder, &corpus, &["--memory", "64M"]).wait_output().await;

    assert_exact(&corpus, &again);

    // Standard input cannot be read twice.
    let files = files(&corpus);
    let files: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    let output = folder
        .shell("exec $scan --memory 64M - $2 $3 <$1", &files)
        .await
        .exits(6);
    output.assert_stderr(&folder.name("temp"));
    assert_eq!(output.stdout, "");
}
