use std::ops::Range;

/// What a corpus consists of: a pure function from line numbers to lines, so that pieces can be made in any order.
pub(super) trait Corpus: Sync {
    /// The files, in order.
    fn files(&self) -> Vec<FileShape>;

    /// Appends these lines of a file, with their ends.
    fn write(&self, file: usize, lines: Range<u64>, text: &mut Vec<u8>);

    /// What a scan of all files finds.
    fn expected(&self) -> Expected;
}

/// A file of a corpus.
#[derive(Clone, Debug)]
pub(super) struct FileShape {
    /// Name in the folder.
    pub(super) name: String,
    /// Lines, the last one without its end included.
    pub(super) lines: u64,
    /// One gzip member, else several.
    pub(super) one_member: bool,
}

/// The counts of a scan with `--min-files 2`, known from how the corpus is made.
#[derive(Clone, Debug, Default)]
pub(super) struct Expected {
    pub(super) lines: u64,
    pub(super) in_range: u64,
    pub(super) distinct: u64,
    pub(super) repeats: u64,
    /// The valid codes, sorted, filled up with zeros.
    pub(super) valid: Vec<[u8; 10]>,
}

impl Expected {
    /// The valid codes, sorted.
    pub(super) fn codes(&self) -> impl Iterator<Item = &str> {
        self.valid
            .iter()
            .filter_map(|code| std::str::from_utf8(code).ok())
            .map(|code| code.trim_end_matches('\0'))
    }
}
