//! The scanner against a plain oracle, in all sorts of straits, and its failures.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by a panic"
)]

mod budget;
mod compression;
mod corpus;
mod damage;
mod disk;
mod inputs;
mod oracle;
mod random;

use coupon_scan::{Input, Options, Report};

/// Inputs named "file 0" and so on.
fn inputs<T: AsRef<[u8]>>(files: &[T]) -> Vec<Input> {
    let contents = files.iter().enumerate();
    contents
        .map(|(number, content)| Input::content(format!("file {number}"), content.as_ref().into()))
        .collect()
}

/// A scan that must succeed.
fn scan<T: AsRef<[u8]>>(files: &[T], options: &Options) -> Report {
    coupon_scan::scan(&inputs(files), options).unwrap()
}

fn texts(report: &Report) -> Vec<String> {
    report.codes.iter().map(|code| code.to_string()).collect()
}

/// The valid codes, with default options.
fn codes(files: &[&str]) -> Vec<String> {
    texts(&scan(files, &Options::default()))
}
