//! The result of a scan: codes, counts and statistics.

use std::time::Duration;

use crate::Codes;

/// The valid codes and what was met on the way to them.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The valid codes.
    pub codes: Codes,
    /// Counts over all files.
    pub counts: Counts,
    /// One report for each input, in their order.
    pub files: Vec<FileReport>,
    /// The cost of the scan.
    pub stats: ScanStats,
}

/// Counts over the content of the files. A file that was read twice counts once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lines, empty ones and a last one without newline included.
    pub lines: u64,
    /// Lines that are codes: 8 to 10 characters, repeats included.
    pub in_range: u64,
    /// Lines that are not UTF-8, whatever their length.
    pub not_utf8: u64,
    /// Different codes, over all files. Only with
    /// [`Options::count_distinct`](crate::Options::count_distinct).
    pub distinct: Option<u64>,
    /// Lines whose code had stood in the same file before. Only with
    /// [`Options::count_distinct`](crate::Options::count_distinct).
    pub repeats: Option<u64>,
    /// Valid codes.
    pub valid: u64,
    /// Bytes of the files as they lie on disk.
    pub file_bytes: u64,
    /// Bytes of text, after decompression.
    pub text_bytes: u64,
}

/// The report on one input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileReport {
    /// The name that errors use.
    pub name: String,
    /// Lines, empty ones and a last one without newline included.
    pub lines: u64,
    /// Lines that are codes, repeats included.
    pub in_range: u64,
    /// Lines that are not UTF-8.
    pub not_utf8: u64,
    /// Bytes as they lie on disk.
    pub file_bytes: u64,
    /// Bytes of text, after decompression.
    pub text_bytes: u64,
    /// SHA-256 of the bytes as they lie on disk. Only with
    /// [`Options::sha256`](crate::Options::sha256).
    pub sha256: Option<[u8; 32]>,
}

/// The cost of a scan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScanStats {
    /// From the call to the answer.
    pub elapsed: Duration,
    /// Working memory that was allowed, bytes: [`Options::memory`](crate::Options::memory), or less
    /// in a control group.
    pub memory: u64,
    /// Most working memory in use at once, bytes, by the scan's own count; the valid codes are not
    /// in it.
    pub memory_peak: u64,
    /// Bytes written to [`Options::temp_dir`](crate::Options::temp_dir).
    pub spilled_bytes: u64,
    /// Number of times that an input was read again.
    pub second_reads: u64,
}
