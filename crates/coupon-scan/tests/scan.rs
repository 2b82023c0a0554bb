//! The scanner against a plain oracle, and its failures.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use coupon_scan::{Input, Options, ScanError, scan};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn inputs(files: &[Vec<u8>]) -> Vec<Input> {
    files
        .iter()
        .enumerate()
        .map(|(number, content)| Input::content(format!("file {number}"), content.as_slice().into()))
        .collect()
}

fn codes(files: &[&str]) -> Vec<String> {
    let files: Vec<Vec<u8>> = files.iter().map(|text| text.as_bytes().to_vec()).collect();
    scan(&inputs(&files), &Options::default()).unwrap().codes
}

/// Sort and count, nothing else.
fn oracle(files: &[Vec<u8>], min_files: usize) -> Vec<String> {
    let mut files_of: BTreeMap<String, usize> = BTreeMap::new();
    for file in files {
        let codes: BTreeSet<String> = file
            .split(|byte| *byte == b'\n')
            .filter_map(|line| std::str::from_utf8(line).ok())
            .map(|line| line.trim_matches([' ', '\t', '\r']).to_owned())
            .filter(|line| (8..=10).contains(&line.chars().count()))
            .collect();
        for code in codes {
            *files_of.entry(code).or_default() += 1;
        }
    }
    files_of
        .into_iter()
        .filter(|(_, files)| *files >= min_files)
        .map(|(code, _)| code)
        .collect()
}

#[test]
fn a_code_counts_when_it_stands_in_two_files() {
    let files = ["HAPPYHRS\nSUPER100\nFIFTYOFF\n", "HAPPYHRS\n", "FIFTYOFF"];
    assert_eq!(codes(&files), ["FIFTYOFF", "HAPPYHRS"]);
}

#[test]
fn repeats_inside_one_file_count_once() {
    let files = ["SUPER100\nSUPER100\n", "OTHER9999\n"].map(|text| text.as_bytes().to_vec());
    let report = scan(&inputs(&files), &Options::default()).unwrap();
    assert!(report.codes.is_empty());
    assert_eq!(
        (report.counts.repeats, report.counts.distinct, report.counts.lines),
        (1, 2, 3)
    );
}

#[test]
fn case_matters_and_length_is_8_to_10() {
    assert!(
        codes(&[
            "happyhrs\nSEVEN77\nELEVEN11111\n",
            "HAPPYHRS\nSEVEN77\nELEVEN11111\n"
        ])
        .is_empty()
    );
}

#[test]
fn gzip_is_told_by_content_and_may_have_several_members() {
    let members = [gzip(b"HAPPYHRS\nFIFTY"), gzip(b""), gzip(b"OFF\n")].concat();
    let files = [members, b"FIFTYOFF\nHAPPYHRS".to_vec()];
    let report = scan(&inputs(&files), &Options::default()).unwrap();
    assert_eq!(report.codes, ["FIFTYOFF", "HAPPYHRS"]);
}

#[test]
fn a_line_of_ten_megabytes_is_no_code() {
    let long = "A".repeat(10 << 20);
    let blanks = format!("HAPPYHRS{}\n", " ".repeat(10 << 20));
    assert_eq!(
        codes(&[&format!("{long}\n{blanks}"), &format!("{long}\nHAPPYHRS\n")]),
        ["HAPPYHRS"]
    );
}

#[test]
fn damaged_gzip_is_an_error_with_file_and_offset() {
    let whole = gzip("HAPPYHRS\nFIFTYOFF\n".repeat(1000).as_bytes());
    let mut wrong_crc = whole.clone();
    let crc = whole.len() - 8;
    wrong_crc[crc] ^= 1;
    let mut garbage = whole.clone();
    garbage.extend_from_slice(b"garbage");
    let cut = whole[..whole.len() - 12].to_vec();
    for (what, damaged, offset) in [
        ("crc", wrong_crc, whole.len()),
        ("garbage", garbage, whole.len()),
        ("cut", cut.clone(), cut.len()),
    ] {
        match scan(&inputs(&[b"HAPPYHRS\n".to_vec(), damaged]), &Options::default()) {
            Err(ScanError::Damaged { file, offset: at, .. }) => {
                assert_eq!(file, "file 1");
                assert!(at.abs_diff(offset as u64) <= 18, "{what}: {at} for {offset}");
            }
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[test]
fn an_empty_file_called_gz_is_damaged() {
    let inputs = [
        Input::content("one.gz", [].into()),
        Input::content("two", [].into()),
    ];
    let error = scan(&inputs, &Options::default()).unwrap_err();
    assert!(matches!(error, ScanError::Damaged { offset: 0, .. }), "{error}");
}

#[test]
fn the_same_file_twice_is_refused() {
    let folder = Folder::new("twice");
    let file = folder.file("codes.txt", b"HAPPYHRS\n");
    let same = folder.0.join(".").join("codes.txt");
    let error = scan(&[Input::file(&file), Input::file(same)], &Options::default()).unwrap_err();
    assert!(matches!(error, ScanError::SameFile { .. }), "{error}");
}

#[test]
fn a_missing_file_is_unreadable() {
    let error = scan(
        &[Input::file("/nowhere/a"), Input::file("/nowhere/b")],
        &Options::default(),
    )
    .unwrap_err();
    assert!(matches!(error, ScanError::Unreadable { .. }), "{error}");
}

#[test]
fn numbers_of_files_are_checked() {
    let files = vec![b"HAPPYHRS\n".to_vec(); 2];
    for min_files in [0, 3] {
        let options = Options {
            min_files,
            ..Options::default()
        };
        assert!(matches!(
            scan(&inputs(&files), &options),
            Err(ScanError::MinFiles { .. })
        ));
    }
    assert!(matches!(
        scan(&[], &Options::default()),
        Err(ScanError::Files { files: 0 })
    ));
    let many = vec![Vec::new(); 65];
    assert!(matches!(
        scan(&inputs(&many), &Options::default()),
        Err(ScanError::Files { files: 65 })
    ));
}

#[test]
fn an_interrupted_scan_ends() {
    let options = Options::default();
    options.interrupt.store(true, Ordering::Relaxed);
    let error = scan(
        &inputs(&[b"HAPPYHRS\n".to_vec(), b"HAPPYHRS\n".to_vec()]),
        &options,
    )
    .unwrap_err();
    assert!(matches!(error, ScanError::Interrupted), "{error}");
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Lines that are likely to meet in several files, with every oddity.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let code = (
        prop::sample::select(vec![
            "AAAAAAA",
            "AAAAAAAA",
            "AAAAAAAAA",
            "éééééééé",
            "aAAA AAAA",
            "",
        ]),
        0..40u8,
    )
        .prop_map(|(text, number)| [text.as_bytes(), &[b'A' + number % 4]].concat());
    let odd = prop::sample::select(vec![
        b" \tAAAAAAAA\r".to_vec(),
        b"AAAAAAAA\0".to_vec(),
        b"AAAA\xffAAA".to_vec(),
        b"AAAAAAAAAAA".to_vec(),
        [b"AAAAAAAA".as_slice(), &[b' '; 60]].concat(),
        [b"AAAAAAAA".as_slice(), &[b' '; 60], b"A"].concat(),
        vec![b'A'; 500],
    ]);
    prop_oneof![4 => code, 1 => odd]
}

fn file() -> impl Strategy<Value = Vec<u8>> {
    (prop::collection::vec(line(), 0..30), any::<bool>()).prop_map(|(lines, newline)| {
        let mut text = lines.join(&b'\n');
        text.extend(newline.then_some(b'\n'));
        text
    })
}

proptest! {
    #[test]
    fn the_answer_is_the_oracles(
        files in prop::collection::vec((file(), 0..3u8), 2..5),
        min_files in 1usize..4,
    ) {
        let min_files = min_files.min(files.len());
        let texts: Vec<Vec<u8>> = files.iter().map(|(text, _)| text.clone()).collect();
        let stored: Vec<Vec<u8>> = files
            .into_iter()
            .map(|(text, kind)| match kind {
                0 => text,
                1 => gzip(&text),
                _ => text.chunks(1 + text.len() / 3).map(gzip).collect::<Vec<_>>().concat(),
            })
            .collect();

        let report = scan(&inputs(&stored), &Options { min_files, ..Options::default() }).unwrap();

        prop_assert_eq!(report.codes, oracle(&texts, min_files));
    }
}
