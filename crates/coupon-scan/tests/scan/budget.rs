//! What a scan does when memory is short.

use std::num::NonZero;
use std::path::PathBuf;

use coupon_scan::{ErrorKind, Input, Options, Report, ScanError};

use crate::compression::gzip;
use crate::corpus::{Lines, Sort, text};
use crate::oracle::answer;
use crate::{inputs, scan, texts};

/// Twenty thousand codes of one length a file, and at the end of the others' eight of the first
/// one's.
fn published() -> Vec<Vec<u8>> {
    let planted = Lines::new(Sort::Eight, 5000, 8);
    [
        vec![Lines::new(Sort::Eight, 0, 20_000)],
        vec![Lines::new(Sort::Nine, 0, 20_000), planted.clone()],
        vec![Lines::new(Sort::Ten, 0, 20_000), planted],
    ]
    .map(|lines| text(&lines, true))
    .to_vec()
}

/// Too little for all codes, enough for those of one file.
fn options(memory: u64) -> Options {
    Options {
        memory,
        threads: NonZero::<usize>::MIN,
        temp_dir: env!("CARGO_TARGET_TMPDIR").into(),
        ..Options::default()
    }
}

fn nowhere(memory: u64) -> Options {
    Options {
        temp_dir: PathBuf::from("/nowhere"),
        ..options(memory)
    }
}

fn check(report: &Report, files: &[Vec<u8>]) {
    let expected = answer(files, 2);
    assert_eq!(texts(report), expected.codes);
    assert_eq!(report.counts.lines, expected.lines);
    assert_eq!(report.counts.in_range, expected.in_range);
    if report.counts.distinct.is_some() {
        assert_eq!(report.counts.distinct, Some(expected.distinct));
        assert_eq!(report.counts.repeats, Some(expected.repeats));
    }
}

#[test]
fn codes_that_one_file_alone_shows_are_dropped_rather_than_written() {
    let files = published();
    let report = scan(&files, &options(200_000));
    check(&report, &files);
    assert_eq!((report.stats.spilled_bytes, report.stats.second_reads), (0, 0));
    assert!(report.stats.memory_peak <= 200_000, "{:?}", report.stats);
}

#[test]
fn what_was_dropped_too_early_is_read_again() {
    let mut files = published();
    // The codes that the second file shows at its end are those of the third one.
    let late = Lines::new(Sort::Ten, 7, 3);
    files[1].extend_from_slice(&text(&[late], true));
    let report = scan(&files, &options(200_000));
    check(&report, &files);
    assert_eq!((report.stats.spilled_bytes, report.stats.second_reads), (0, 1));
}

#[test]
fn what_does_not_fit_is_written_to_disk() {
    let files = published();
    let report = scan(&files, &options(100_000));
    check(&report, &files);
    assert!(report.stats.spilled_bytes > 100_000, "{:?}", report.stats);
    assert_eq!(report.stats.second_reads, 0);
    assert!(report.stats.memory_peak <= 100_000, "{:?}", report.stats);
}

#[test]
fn distinct_codes_are_counted_exactly_however_little_fits() {
    let mut files = published();
    let again = files[2].clone();
    files[2].extend_from_slice(&again);
    for (options, spills) in [(options(200_000), true), (nowhere(200_000), false)] {
        let options = Options {
            count_distinct: true,
            ..options
        };
        let report = scan(&files, &options);
        check(&report, &files);
        assert_eq!(report.counts.repeats, Some(20_008));
        assert_eq!(report.stats.spilled_bytes > 0, spills);
    }
}

#[test]
fn without_room_on_disk_the_files_are_read_several_times() {
    let files: Vec<Vec<u8>> = (0..3)
        .map(|number| text(&[Lines::new(Sort::Nine, number * 10_000, 20_000)], true))
        .collect();
    let report = scan(&files, &nowhere(80_000));
    check(&report, &files);
    assert_eq!(report.codes.len(), 20_000);
    assert_eq!(report.stats.spilled_bytes, 0);
    assert!(report.stats.second_reads >= 6, "{:?}", report.stats);
}

#[test]
fn without_room_on_disk_what_cannot_be_read_again_is_an_error() {
    let files = published();
    let pipe = std::io::Cursor::new(files[0].clone());
    let mut inputs = inputs(&files);
    inputs[0] = Input::reader("-", pipe);
    match coupon_scan::scan(&inputs, &nowhere(60_000)) {
        Err(error @ ScanError::Temporary { .. }) => {
            assert_eq!(error.kind(), ErrorKind::System);
            assert!(error.to_string().contains("/nowhere"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_cannot_be_read_again_is_never_dropped() {
    let mut files = published();
    // The largest group is that of the pipe, and the others show its kind at their end.
    files[0] = text(&[Lines::new(Sort::Ten, 0, 30_000)], true);
    files[1].extend_from_slice(&text(&[Lines::new(Sort::Ten, 29_990, 5)], true));
    let mut inputs = inputs(&files);
    inputs[0] = Input::reader("-", std::io::Cursor::new(files[0].clone())).with_size(files[0].len() as u64);
    let report = coupon_scan::scan(&inputs, &options(200_000)).unwrap();
    check(&report, &files);
}

#[test]
fn a_code_repeated_without_end_takes_no_table() {
    let same = "SAMECODE1\n".repeat(300_000);
    let files = [gzip(same.as_bytes()), gzip(b"SAMECODE1\n")];
    let report = scan(&files, &options(100_000));
    assert_eq!(texts(&report), ["SAMECODE1"]);
    assert_eq!(report.counts.in_range, 300_001);
}

#[test]
fn tables_that_get_too_large_are_split() {
    // All codes of a partition are in both files: none can be left out, and the smallest tables
    // hold 42.
    let files = vec![
        text(
            &[
                Lines::new(Sort::Eight, 0, 60_000),
                Lines::new(Sort::Wide, 0, 20_000)
            ],
            true
        );
        2
    ];
    let report = scan(&files, &options(0));
    check(&report, &files);
}

#[test]
fn sixty_four_files_of_which_a_code_stands_in_sixty() {
    let files: Vec<Vec<u8>> = (0..64)
        .map(|number| text(&[Lines::new(Sort::Ten, number, 61)], true))
        .collect();
    let options = Options {
        min_files: 60,
        ..Options::default()
    };
    let report = scan(&files, &options);
    assert_eq!(texts(&report), answer(&files, 60).codes);
    assert_eq!(report.codes.len(), 6);
}
