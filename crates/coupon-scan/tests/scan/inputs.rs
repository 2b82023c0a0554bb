//! Which files a scan takes, and how it reads them.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use coupon_scan::{ErrorKind, Input, Options, ScanError};
use sha2::{Digest as _, Sha256};

use crate::compression::{Kind, compress};
use crate::corpus::{Lines, Sort, text};
use crate::{codes, inputs, scan, texts};

#[test]
fn a_code_counts_when_it_stands_in_two_files() {
    let files = ["HAPPYHRS\nSUPER100\nFIFTYOFF\n", "HAPPYHRS\n", "FIFTYOFF"];
    assert_eq!(codes(&files), ["FIFTYOFF", "HAPPYHRS"]);
}

#[test]
fn repeats_inside_one_file_count_once() {
    let options = Options {
        count_distinct: true,
        ..Options::default()
    };
    let report = scan(&["SUPER100\nSUPER100\n", "OTHER9999\n"], &options);
    assert!(report.codes.is_empty());
    assert_eq!(
        (report.counts.repeats, report.counts.distinct, report.counts.lines),
        (Some(1), Some(2), 3)
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
fn codes_of_any_characters_are_found_and_sorted_by_their_bytes() {
    let lines = "zebra-zoo\nÄpfel-1234\nAAAAAAAA\nAAAAAAAAA\nAAAAAAAA!\nhas a gap\n日本語日本語日本\n";
    let mut expected: Vec<&str> = lines.lines().collect();
    expected.sort_unstable();
    assert_eq!(codes(&[lines, lines]), expected);
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
fn one_code_in_every_compression_is_one_code() {
    let kinds = [
        Kind::Plain,
        Kind::Gzip,
        Kind::LongGzip,
        Kind::GzipMembers,
        Kind::Zstd,
        Kind::ZstdFrames,
    ];
    let files = kinds.map(|kind| compress(b"HAPPYHRS\nSUPER100", kind));
    let options = Options {
        min_files: files.len(),
        ..Options::default()
    };
    assert_eq!(texts(&scan(&files, &options)), ["HAPPYHRS", "SUPER100"]);
}

#[test]
fn a_source_may_give_one_byte_at_a_time() {
    struct Slow(io::Cursor<Vec<u8>>, bool);
    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            match self.1 {
                true => Err(io::Error::from(io::ErrorKind::Interrupted)),
                false => self.0.read(&mut buffer[..1]),
            }
        }
    }
    for kind in [Kind::Plain, Kind::GzipMembers, Kind::ZstdFrames] {
        let slow = Slow(io::Cursor::new(compress(b"HAPPYHRS\nSUPER100", kind)), false);
        let inputs = [
            Input::reader("-", slow),
            Input::content("b", b"HAPPYHRS".as_slice().into()),
        ];
        let report = coupon_scan::scan(&inputs, &Options::default()).unwrap();
        assert_eq!(texts(&report), ["HAPPYHRS"], "{kind:?}");
    }
}

#[test]
fn the_sum_of_a_file_is_that_of_its_bytes_also_when_it_is_read_twice() {
    let planted = Lines::new(Sort::Nine, 9, 3);
    let nines = compress(&text(&[Lines::new(Sort::Nine, 0, 20_000)], true), Kind::Gzip);
    let tens = compress(
        &text(&[Lines::new(Sort::Ten, 0, 10_000), planted], true),
        Kind::Zstd,
    );
    let options = Options {
        sha256: true,
        memory: 130_000,
        threads: 1.try_into().unwrap(),
        temp_dir: env!("CARGO_TARGET_TMPDIR").into(),
        ..Options::default()
    };
    let report = scan(&[&nines, &tens], &options);
    assert_eq!(report.codes.len(), 3);
    assert_eq!(report.stats.second_reads, 1);
    for (file, content) in report.files.iter().zip([&nines, &tens]) {
        assert_eq!(file.sha256, Some(Sha256::digest(content).into()));
        assert_eq!(file.file_bytes, content.len() as u64);
    }
    assert_eq!(options.progress.read(), (2 * nines.len() + tens.len()) as u64);
    assert_eq!(options.progress.total(), options.progress.read());
}

#[test]
fn a_file_that_changes_between_two_readings_is_an_error() {
    let nines = |first| text(&[Lines::new(Sort::Nine, first, 20_000)], true);
    let tens = text(
        &[Lines::new(Sort::Ten, 0, 10_000), Lines::new(Sort::Nine, 9, 3)],
        true,
    );
    let options = Options {
        memory: 130_000,
        threads: 1.try_into().unwrap(),
        temp_dir: env!("CARGO_TARGET_TMPDIR").into(),
        ..Options::default()
    };
    for kind in [Kind::Plain, Kind::Gzip, Kind::Zstd] {
        let first = compress(&nines(0), kind);
        let cut_off = first[..first.len() - 9].to_vec();
        for (second, changed) in [
            (first.clone(), false),
            (compress(&nines(5), kind), true),
            (cut_off, true),
        ] {
            let reads = Arc::new(AtomicUsize::new(0));
            let opened = Arc::clone(&reads);
            let first = first.clone();
            let input = Input::opened(Path::new("/dev/null"), move || {
                let content = match opened.fetch_add(1, Ordering::Relaxed) {
                    0 => first.clone(),
                    _ => second.clone(),
                };
                Ok(Box::new(io::Cursor::new(content)))
            });
            let size = compress(&nines(0), kind).len() as u64;
            let inputs = [
                input.with_size(size),
                Input::content("tens", tens.as_slice().into()),
            ];
            match coupon_scan::scan(&inputs, &options) {
                Err(error @ ScanError::Changed { .. }) if changed => {
                    assert_eq!(error.kind(), ErrorKind::System)
                }
                Ok(report) if !changed => assert_eq!(report.codes.len(), 3),
                other => panic!("{kind:?}: {other:?}"),
            }
            assert_eq!(reads.load(Ordering::Relaxed), 2);
        }
    }
}

#[test]
fn the_same_file_twice_is_refused() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let same = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/../Cargo.toml");
    let error = coupon_scan::scan(&[Input::file(&file), Input::file(same)], &Options::default()).unwrap_err();
    assert!(matches!(error, ScanError::SameFile { .. }), "{error}");
    let pipes = ["-", "-"].map(|name| Input::reader(name, io::empty()));
    let error = coupon_scan::scan(&pipes, &Options::default()).unwrap_err();
    assert!(matches!(error, ScanError::SameFile { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Usage);
}

#[test]
fn a_missing_file_or_a_folder_is_unreadable() {
    let here = Input::file(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    for path in ["/nowhere/a", env!("CARGO_MANIFEST_DIR")] {
        let error = coupon_scan::scan(&[here.clone(), Input::file(path)], &Options::default()).unwrap_err();
        assert!(matches!(error, ScanError::Unreadable { .. }), "{error}");
        assert_eq!(error.kind(), ErrorKind::System);
    }
}

#[test]
fn numbers_of_files_are_checked() {
    let files = vec![b"HAPPYHRS\n".to_vec(); 2];
    for min_files in [0, 3] {
        let options = Options {
            min_files,
            ..Options::default()
        };
        let result = coupon_scan::scan(&inputs(&files), &options);
        assert!(matches!(result, Err(ScanError::MinFiles { .. })));
    }
    for files in [0, 65] {
        let many: Vec<Vec<u8>> = vec![Vec::new(); files];
        let result = coupon_scan::scan(&inputs(&many), &Options::default());
        assert!(matches!(result, Err(ScanError::Files { files: count }) if count == files));
    }
}

#[test]
fn what_is_only_decompressed_is_counted() {
    let text = text(&[Lines::new(Sort::Nine, 0, 20_000)], true);
    let files = [compress(&text, Kind::Gzip), compress(&text, Kind::Zstd)];
    let bytes = coupon_scan::discard(&inputs(&files), &Options::default()).unwrap();
    assert_eq!(bytes, 2 * text.len() as u64);
}
