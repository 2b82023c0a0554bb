//! The corpus as published: one length a file, eight codes in more than one of them.

use std::ops::Range;

use super::code_space::{CodeSpace, scale, scramble};
use super::corpus::{Corpus, Expected, FileShape, padded};

/// The only codes that stand in more than one file, sorted.
const PLANTED: [&str; 8] = [
    "BIRTHDAY", "BUYGETON", "FIFTYOFF", "FREEZAAA", "GNULINUX", "HAPPYHRS", "OVER9000", "SIXTYOFF",
];

/// At full scale: lines, length of the codes that are not planted, how many of [`PLANTED`] there
/// are, lines that repeat an earlier one. Unpacked 965,346,993, 1,072,607,752 and 1,084,227,656
/// bytes.
const FILES: [(u64, usize, usize, u64); 3] = [
    (107_260_777, 8, 4, 2_077),
    (107_260_776, 9, 8, 0),
    (98_566_152, 10, 8, 0),
];

/// Fewest lines of a file, whatever the scale.
const FEWEST_LINES: u64 = 100;

/// The corpus of the published shape.
#[derive(Debug)]
pub(super) struct Published {
    files: Vec<File>,
}

#[derive(Debug)]
struct File {
    lines: u64,
    space: CodeSpace,
    planted: u64,
    /// Planted codes and repeats: every so many lines one. The other lines are the codes 0, 1, 2, …
    /// of the space.
    special: u64,
    /// Numbers that the planted codes have in the space, sorted: they are passed over.
    passed_over: Vec<u64>,
    seed: u64,
}

impl Published {
    pub(super) fn new(scale: f64, seed: u64) -> Published {
        let file = |(lines, length, planted, repeats): (u64, usize, usize, u64)| {
            let space = CodeSpace::new(length, seed);
            let mut passed_over: Vec<u64> = PLANTED.iter().filter_map(|code| space.number(code)).collect();
            passed_over.sort_unstable();
            let repeats = match repeats {
                0 => 0,
                repeats => scaled(repeats, scale).max(1),
            };
            File {
                lines: scaled(lines, scale).max(FEWEST_LINES),
                space,
                planted: planted as u64,
                special: planted as u64 + repeats,
                passed_over,
                seed,
            }
        };
        Published {
            files: FILES.map(file).into(),
        }
    }
}

/// A count of the full scale at another one.
pub(super) fn scaled(count: u64, scale: f64) -> u64 {
    (count as f64 * scale).round() as u64
}

impl Corpus for Published {
    fn files(&self) -> Vec<FileShape> {
        (1..)
            .zip(&self.files)
            .map(|(number, file)| FileShape {
                name: format!("couponbase{number}.gz"),
                lines: file.lines,
                one_member: true,
            })
            .collect()
    }

    fn write(&self, file: usize, lines: Range<u64>, text: &mut Vec<u8>) {
        if let Some(file) = self.files.get(file) {
            file.write(lines, text);
        }
    }

    fn expected(&self) -> Expected {
        let mut expected = Expected {
            distinct: PLANTED.len() as u64,
            ..Expected::default()
        };
        for file in &self.files {
            expected.lines += file.lines;
            expected.in_range += file.lines;
            expected.repeats += file.special - file.planted;
            expected.distinct += file.lines - file.special;
        }
        expected.valid = PLANTED.iter().map(|code| padded(code.as_bytes())).collect();
        expected
    }
}

impl File {
    fn write(&self, lines: Range<u64>, text: &mut Vec<u8>) {
        // Special lines that came before, and the place of the next.
        let first = lines.start;
        let mut specials = (0..self.special)
            .skip_while(|special| self.place(*special) < first)
            .peekable();
        let mut passed = specials.peek().copied().unwrap_or(self.special);
        for line in lines {
            match specials.next_if(|special| self.place(*special) == line) {
                Some(special) => {
                    passed += 1;
                    self.write_special(special, line, text);
                }
                None => self.write_own(line - passed, text),
            }
            text.push(b'\n');
        }
    }

    /// The line that a planted code or a repeat stands on.
    fn place(&self, special: u64) -> u64 {
        (2 * special + 1) * self.lines / (2 * self.special)
    }

    fn write_special(&self, special: u64, line: u64, text: &mut Vec<u8>) {
        // The planted ones are spread over the others: the n-th is the first special with n ·
        // special / planted ≤ it.
        let nth = (special * self.planted).div_ceil(self.special);
        if nth < self.planted && nth * self.special / self.planted == special {
            let code = PLANTED.get(nth as usize).copied().unwrap_or_default();
            text.extend_from_slice(code.as_bytes());
            return;
        }
        // Some repeat the line before, the others any earlier one.
        let earlier = line - special;
        let repeated = match special % 8 {
            0 => earlier.saturating_sub(1),
            _ => scale(scramble(self.seed ^ special), earlier),
        };
        self.write_own(repeated, text);
    }

    /// One of the codes that are neither planted nor repeats.
    fn write_own(&self, number: u64, text: &mut Vec<u8>) {
        let passed_over = |number: &u64| {
            let mut number = *number;
            for passed in &self.passed_over {
                number += u64::from(*passed <= number);
            }
            number
        };
        let code = self.space.code(passed_over(&number));
        self.space.write(code, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::count;

    #[test]
    fn at_full_scale_the_counts_are_the_published_ones() {
        let corpus = Published::new(1.0, 1);

        let lines: Vec<u64> = corpus.files().iter().map(|file| file.lines).collect();
        assert_eq!(lines.iter().sum::<u64>(), 313_087_705);
        // Planted codes have 8 characters in each file.
        let bytes = [
            lines[0] * 9,
            (lines[1] - 8) * 10 + 8 * 9,
            (lines[2] - 8) * 11 + 8 * 9,
        ];
        assert_eq!(bytes, [965_346_993, 1_072_607_752, 1_084_227_656]);
        assert_eq!(corpus.expected().repeats, 2_077);
    }

    #[test]
    fn at_any_scale_the_planted_codes_are_the_only_common_ones() {
        for (scale, seed) in [(0.0, 1), (0.000_01, 2), (0.000_1, 3)] {
            let corpus = Published::new(scale, seed);

            let (counted, files) = count(&corpus, |_, _| ());

            assert_eq!(counted, corpus.expected());
            assert_eq!(counted.codes().collect::<Vec<_>>(), PLANTED);
            let everywhere = PLANTED.iter().filter(|code| files[**code] == 0b111);
            assert_eq!(everywhere.count(), 4);
        }
    }
}
