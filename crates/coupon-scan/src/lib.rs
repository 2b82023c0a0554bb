//! Finds the coupon codes that stand in at least so many of several files, exactly.
//!
//! A code is a line of 8 to 10 characters. A line ends at `\n`; blanks, tabs and `\r` at both of its ends are cut, nothing
//! else is; case matters. Repeats inside one file count once. Files are plain text or gzip (of any number of members),
//! told apart by content, mixed freely.
//!
//! Knows no database and no runtime: [`scan`] blocks its thread.

mod count;
mod error;
mod input;
mod lines;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub use error::ScanError;
pub use input::Input;

/// Fewest characters of a code.
pub const MIN_LENGTH: usize = 8;
/// Most characters of a code.
pub const MAX_LENGTH: usize = 10;
/// Most files of one scan.
pub const MAX_FILES: usize = 64;

/// What is asked of a scan.
#[derive(Clone, Debug)]
pub struct Options {
    /// In how many of the files a valid code stands at least: 1 to the number of files; default 2.
    pub min_files: usize,
    /// Set from another thread, it ends the scan within some milliseconds with [`ScanError::Interrupted`].
    pub interrupt: Arc<AtomicBool>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            min_files: 2,
            interrupt: Arc::default(),
        }
    }
}

/// The valid codes and what was met on the way to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The valid codes, sorted by their bytes, each once.
    pub codes: Vec<String>,
    /// Counts over all files.
    pub counts: Counts,
}

/// What stood in the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lines, empty ones and a last one without newline included.
    pub lines: u64,
    /// Lines that are codes: 8 to 10 characters.
    pub in_range: u64,
    /// Lines of at most 40 bytes that are not UTF-8. Longer lines are no codes whatever they hold.
    pub not_utf8: u64,
    /// Different codes.
    pub distinct: u64,
    /// Codes that had stood in the same file before.
    pub repeats: u64,
    /// Bytes of text, after decompression.
    pub text_bytes: u64,
}

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
    let mut codes = count::Codes::default();
    for (number, input) in (0..).zip(inputs) {
        codes.read_file(number, input, &options.interrupt)?;
    }
    Ok(codes.report(options.min_files))
}
