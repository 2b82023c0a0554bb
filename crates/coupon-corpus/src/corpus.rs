//! The interface of a corpus: its files, its lines by number, and the counts of a scan.

use std::ops::Range;

/// A corpus: a pure function from line numbers to lines, so that pieces can be made in any order.
pub(super) trait Corpus: Sync {
    /// The files, in order.
    fn files(&self) -> Vec<FileShape>;

    /// Appends these lines of a file, with their ends.
    fn write(&self, file: usize, lines: Range<u64>, text: &mut Vec<u8>);

    /// The result of a scan of all files.
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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

/// A code filled up with zeros: a shorter code sorts before those that it begins.
pub(super) fn padded(code: &[u8]) -> [u8; 10] {
    let mut padded = [0; 10];
    for (to, from) in padded.iter_mut().zip(code) {
        *to = *from;
    }
    padded
}

/// Counts a corpus line by line: the counts, and the files of each code, one bit each.
///
/// Each file is written in two parts; `inspect` sees its number and its text.
#[cfg(test)]
pub(super) fn count(
    corpus: &dyn Corpus,
    inspect: impl Fn(usize, &str),
) -> (Expected, std::collections::HashMap<String, u8>) {
    let mut counted = Expected::default();
    let mut files = std::collections::HashMap::<String, u8>::new();
    for (number, shape) in corpus.files().iter().enumerate() {
        let (mut text, cut) = (Vec::new(), shape.lines / 3);
        corpus.write(number, 0..cut, &mut text);
        corpus.write(number, cut..shape.lines, &mut text);
        let text = String::from_utf8(text).unwrap();
        inspect(number, &text);
        for line in text.strip_suffix('\n').unwrap_or(&text).split('\n') {
            counted.lines += 1;
            let code = line.trim_matches([' ', '\t', '\r']);
            if (8..=10).contains(&code.len()) {
                counted.in_range += 1;
                let found = files.entry(code.to_owned()).or_default();
                counted.repeats += u64::from(*found & (1 << number) != 0);
                *found |= 1 << number;
            }
        }
    }
    counted.distinct = files.len() as u64;
    let valid = files.iter().filter(|(_, files)| files.count_ones() >= 2);
    counted.valid = valid.map(|(code, _)| padded(code.as_bytes())).collect();
    counted.valid.sort_unstable();
    (counted, files)
}
