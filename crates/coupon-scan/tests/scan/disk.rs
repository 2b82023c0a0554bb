//! The temporary file.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use coupon_scan::{Options, ScanError};
use tempfile::TempDir;

use crate::corpus::{Lines, Sort, text};
use crate::oracle::answer;
use crate::{inputs, scan, texts};

fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn names(folder: &TempDir) -> Vec<OsString> {
    let entries = std::fs::read_dir(folder.path()).unwrap();
    entries.map(|entry| entry.unwrap().file_name()).collect()
}

/// Half of the codes of one file are in the next one.
fn overlapping() -> Vec<Vec<u8>> {
    (0..3)
        .map(|number| text(&[Lines::new(Sort::Ten, number * 20_000, 40_000)], true))
        .collect()
}

fn options(folder: &Path) -> Options {
    Options {
        memory: 60_000,
        temp_dir: folder.to_owned(),
        ..Options::default()
    }
}

#[test]
fn the_temporary_file_is_never_seen_and_gone_afterwards() {
    let folder = folder();
    let (done, seen) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let files = overlapping();
    let report = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                seen.lock().unwrap().extend(names(&folder));
            }
        });
        let report = scan(&files, &options(folder.path()));
        done.store(true, Ordering::Relaxed);
        report
    });
    assert_eq!(texts(&report), answer(&files, 2).codes);
    assert!(report.stats.spilled_bytes > 0);
    assert_eq!(*seen.lock().unwrap(), names(&folder));
    assert!(names(&folder).is_empty());
}

#[test]
fn a_scan_that_ends_early_leaves_nothing_behind() {
    let folder = folder();
    let mut files = overlapping();
    files[2] = crate::compression::gzip(&files[2]);
    let end = files[2].len() - 10;
    files[2].truncate(end);
    let result = coupon_scan::scan(&inputs(&files), &options(folder.path()));
    assert!(matches!(result, Err(ScanError::Damaged { .. })), "{result:?}");
    assert!(names(&folder).is_empty());
}

#[test]
fn an_interrupted_scan_ends_and_leaves_nothing_behind() {
    let folder = folder();
    let options = Options {
        interrupt: Arc::new(AtomicBool::new(true)),
        ..options(folder.path())
    };
    let result = coupon_scan::scan(&inputs(&overlapping()), &options);
    assert!(matches!(result, Err(ScanError::Interrupted)), "{result:?}");
    assert!(names(&folder).is_empty());
}

#[test]
fn a_scan_ends_soon_after_it_is_interrupted() {
    let options = options(Path::new(env!("CARGO_TARGET_TMPDIR")));
    let interrupt = Arc::clone(&options.interrupt);
    // Would take for ever: the file has no end.
    let endless = coupon_scan::Input::reader("-", std::io::repeat(b'A'));
    let other = coupon_scan::Input::content("other", b"AAAAAAAA".as_slice().into());
    let progress = Arc::clone(&options.progress);
    let scan = std::thread::spawn(move || coupon_scan::scan(&[endless, other], &options));
    while progress.read() < 1 << 20 {
        std::thread::yield_now();
    }
    interrupt.store(true, Ordering::Relaxed);
    assert!(matches!(scan.join().unwrap(), Err(ScanError::Interrupted)));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "how a test tells its child what to do")]
fn a_full_disk_is_made_do_without() {
    const CHILD: &str = "WITH_LITTLE_ROOM";
    if std::env::var_os(CHILD).is_some() {
        return scan_with_little_room();
    }
    // The limit on a file's size fails as a full disk does, in the middle of writing.
    let tests = std::env::current_exe().unwrap();
    let limited = "trap '' XFSZ; ulimit -f 200; exec \"$0\" --exact disk::a_full_disk_is_made_do_without";
    let output = Command::new("sh")
        .args(["-c", limited])
        .arg(tests)
        .env(CHILD, "yes")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{output:?}");
}

/// In a process whose files take some hundred kilobytes each.
fn scan_with_little_room() {
    let folder = folder();
    let files = overlapping();
    let options = Options {
        memory: 300_000,
        ..options(folder.path())
    };
    let report = scan(&files, &options);
    assert_eq!(texts(&report), answer(&files, 2).codes);
    assert!(report.stats.spilled_bytes > 0, "{:?}", report.stats);
    assert!(report.stats.second_reads > 0, "{:?}", report.stats);
    assert!(names(&folder).is_empty());
}
