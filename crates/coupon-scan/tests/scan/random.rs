//! Random corpora of every kind, with every budget, against the oracle.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use coupon_scan::{Options, Report, ScanStats};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::compression::{compress, kind};
use crate::oracle::{Answer, answer};
use crate::{corpus, scan, texts};

/// What a scan may use.
#[derive(Clone, Debug)]
struct Means {
    min_files: usize,
    memory: u64,
    threads: usize,
    disk: bool,
    count_distinct: bool,
}

/// With a disk the engine can do with nothing. Without one it needs room for a part of the codes.
fn means(least: &'static [u64], least_without_disk: &'static [u64]) -> impl Strategy<Value = Means> {
    let memory = prop_oneof![
        2 => (prop::sample::select(least), Just(true)),
        1 => (prop::sample::select(least_without_disk), Just(false)),
    ];
    (1usize..4, memory, 1usize..5, any::<bool>()).prop_map(
        |(min_files, (memory, disk), threads, count_distinct)| Means {
            min_files,
            memory,
            threads,
            disk,
            count_distinct,
        },
    )
}

impl Means {
    fn options(&self, files: usize) -> Options {
        Options {
            min_files: self.min_files.min(files),
            memory: self.memory,
            threads: NonZero::new(self.threads).unwrap(),
            temp_dir: match self.disk {
                true => env!("CARGO_TARGET_TMPDIR").into(),
                false => PathBuf::from("/nowhere"),
            },
            count_distinct: self.count_distinct,
            ..Options::default()
        }
    }
}

/// How often a scan did what it does only when it must.
#[derive(Debug, Default)]
struct Seen {
    spilled: AtomicUsize,
    read_again: AtomicUsize,
    neither: AtomicUsize,
}

impl Seen {
    fn note(&self, stats: &ScanStats) {
        let count = match stats {
            ScanStats {
                spilled_bytes: 1.., ..
            } => &self.spilled,
            ScanStats {
                second_reads: 1.., ..
            } => &self.read_again,
            _ => &self.neither,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// What a scan said, as the oracle would have said it.
fn said(report: &Report, expected: &Answer) -> Answer {
    let counts = &report.counts;
    assert_eq!(counts.valid, report.codes.len() as u64);
    Answer {
        codes: texts(report),
        lines: counts.lines,
        in_range: counts.in_range,
        not_utf8: counts.not_utf8,
        // What was not counted is taken to be right.
        distinct: counts.distinct.unwrap_or(expected.distinct),
        repeats: counts.repeats.unwrap_or(expected.repeats),
        text_bytes: counts.text_bytes,
    }
}

fn agrees(
    cases: usize,
    files: impl Strategy<Value = Vec<Vec<u8>>>,
    means: impl Strategy<Value = Means>,
) -> Seen {
    let seen = Seen::default();
    let files = files.prop_flat_map(|files| {
        let kinds = prop::collection::vec(kind(), files.len());
        (Just(files), kinds)
    });
    let mut runner = TestRunner::new(ProptestConfig {
        max_shrink_iters: 2000,
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases as u32)
    });
    let result = runner.run(&(files, means), |((files, kinds), means)| {
        let expected = answer(&files, means.min_files.min(files.len()));
        let stored: Vec<Vec<u8>> = files
            .iter()
            .zip(kinds)
            .map(|(text, kind)| compress(text, kind))
            .collect();
        let report = scan(&stored, &means.options(files.len()));
        seen.note(&report.stats);
        let shown: Vec<String> = files.iter().map(|text| corpus::shown(text)).collect();
        prop_assert_eq!(said(&report, &expected), expected, "{:?}", shown);
        prop_assert_eq!(report.counts.distinct.is_some(), means.count_distinct);
        Ok(())
    });
    result.unwrap();
    seen
}

mod soak {
    use super::*;

    #[test]
    fn the_answer_is_the_oracles() {
        let means = means(
            &[0, 0, 0, 30_000, 100_000, 1 << 20, 448 << 20],
            &[200_000, 300_000, 448 << 20],
        );
        let mut seen = agrees(test_support::scaled(20_000), corpus::files(8), means);
        assert!(*seen.spilled.get_mut() > 0);
        assert!(*seen.neither.get_mut() > 0);
    }

    #[test]
    fn the_answer_is_the_oracles_for_codes_that_come_late() {
        let means = means(&[70_000, 100_000, 150_000], &[150_000, 200_000]);
        let mut seen = agrees(test_support::scaled(5_000), corpus::late(), means);
        assert!(*seen.read_again.get_mut() > 0);
    }

    #[test]
    fn the_answer_is_the_oracles_for_as_many_files_as_there_may_be() {
        let means = means(&[0, 0, 100_000, 448 << 20], &[1 << 20, 448 << 20]);
        agrees(
            test_support::scaled(400),
            corpus::files(coupon_scan::MAX_FILES),
            means,
        );
    }
}
