//! Finds the coupon codes that stand in at least so many of several files, exactly.
//!
//! A code is a line of 8 to 10 characters. A line ends at `\n`; blanks, tabs and `\r` at both of
//! its ends are cut, and byte order marks at its beginning, nothing else is; case matters. Repeats
//! inside one file count once. Files are plain text, gzip or zstd (of any number of members or
//! frames), recognized by content, mixed freely.
//!
//! Knows no database and no runtime: [`scan`] blocks its thread.

#![expect(
    clippy::vec_box,
    reason = "a scanned file is large and moves between threads and lists: boxed, it moves as a pointer"
)]

mod codes;
mod error;
mod foreign;
mod input;
mod join;
mod kind;
mod lines;
mod memory;
mod options;
mod pack;
mod pass;
mod permutation;
mod report;
mod scan;
mod source;
mod store;

pub use codes::{Code, Codes};
pub use error::{ErrorKind, ScanError};
pub use foreign::foreign;
pub use input::Input;
pub use options::{Options, Progress};
pub use report::{Counts, FileReport, Report, ScanStats};
use scan::Scan;
pub use source::unpack;

/// Fewest characters of a code.
pub const MIN_LENGTH: usize = 8;
/// Most characters of a code.
pub const MAX_LENGTH: usize = 10;
/// Most files of one scan.
pub const MAX_FILES: usize = 64;
/// Smallest [`Options::memory`] that a user should be offered, bytes. The engine works with less,
/// slowly.
pub const SMALLEST_MEMORY: u64 = 64 << 20;
/// Default of [`Options::memory`], bytes.
pub const DEFAULT_MEMORY: u64 = 448 << 20;

/// Reads every input and returns the codes that stand in at least `options.min_files` of them.
///
/// # Errors
/// [`ScanError`]; nothing is left behind.
pub fn scan(inputs: &[Input], options: &Options) -> Result<Report, ScanError> {
    input::check(inputs)?;
    if options.min_files == 0 || options.min_files > inputs.len() {
        return Err(ScanError::MinFiles {
            min_files: options.min_files,
            files: inputs.len(),
        });
    }
    Scan::new(inputs, options).run()
}

/// Reads and decompresses every input with the threads, decoders and buffers of [`scan`] and throws
/// the text away: the time that no scan can beat. Returns the bytes of text.
///
/// # Errors
/// [`ScanError`], as [`scan`].
pub fn discard(inputs: &[Input], options: &Options) -> Result<u64, ScanError> {
    input::check(inputs)?;
    Scan::new(inputs, options).discard()
}
