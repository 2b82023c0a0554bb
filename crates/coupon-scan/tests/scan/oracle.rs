//! Sort and count, nothing else.

use std::collections::{BTreeMap, BTreeSet};

/// What a scan must say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) codes: Vec<String>,
    pub(crate) lines: u64,
    pub(crate) in_range: u64,
    pub(crate) not_utf8: u64,
    pub(crate) distinct: u64,
    pub(crate) repeats: u64,
    pub(crate) text_bytes: u64,
}

pub(crate) fn answer(files: &[Vec<u8>], min_files: usize) -> Answer {
    let mut answer = Answer::default();
    let mut files_of: BTreeMap<&str, usize> = BTreeMap::new();
    for text in files {
        answer.text_bytes += text.len() as u64;
        let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
        if text.is_empty() || text.ends_with(b"\n") {
            lines.pop();
        }
        answer.lines += lines.len() as u64;
        let mut codes = BTreeSet::new();
        for line in lines {
            let Ok(line) = std::str::from_utf8(line) else {
                answer.not_utf8 += 1;
                continue;
            };
            let line = line.trim_matches([' ', '\t', '\r']);
            let line = line
                .strip_prefix('\u{feff}')
                .unwrap_or(line)
                .trim_matches([' ', '\t', '\r']);
            if !(8..=10).contains(&line.chars().count()) {
                continue;
            }
            answer.in_range += 1;
            answer.repeats += u64::from(!codes.insert(line));
        }
        for code in codes {
            *files_of.entry(code).or_default() += 1;
        }
    }
    answer.distinct = files_of.len() as u64;
    let valid = files_of.into_iter().filter(|(_, files)| *files >= min_files);
    answer.codes = valid.map(|(code, _)| code.to_owned()).collect();
    answer
}
