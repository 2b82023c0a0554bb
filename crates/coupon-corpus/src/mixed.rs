//! A corpus of everything that lines can be: all lengths in every file, many valid codes, odd
//! lines, several members.

use std::ops::Range;

use super::code_space::{CodeSpace, scale, scramble, write_digits};
use super::corpus::{Corpus, Expected, FileShape, padded};
use super::published::scaled;

/// Lines of each file at full scale.
const LINES: u64 = 100_000_000;
/// Codes at full scale that stand in at least two files.
const VALID: u64 = 5_000_000;
const FILES: u64 = 3;
/// Fewest lines of a file, whatever the scale.
const FEWEST_LINES: u64 = 1_000;

const LENGTHS: [usize; 3] = [8, 9, 10];

/// Which files a valid code stands in, one bit each, in turn.
const PATTERNS: [u8; 4] = [0b011, 0b101, 0b110, 0b111];
/// Codes after which lengths and patterns begin anew, and how many of them stand in each file.
const TURN: u64 = 12;
const OF_TURN: u64 = 9;

/// Every so many valid codes one is in lower case.
const LOWER_CASE: u64 = 1_000;

/// Codes of one file only have numbers from here on, so many for each file. Below are the valid
/// ones.
const PRIVATE: u64 = 1 << 38;

/// The corpus of the mixed shape.
#[derive(Debug)]
pub(super) struct Mixed {
    seed: u64,
    spaces: [CodeSpace; 3],
    /// Lines of each file.
    lines: u64,
    /// Valid codes of the corpus.
    valid: u64,
    /// A line's slot is `line · step + seed` modulo `lines`: it decides what stands on the line.
    step: u64,
    /// Slots of each kind, in the order of [`Kind`].
    slots: [u64; 6],
}

/// The content of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The n-th of the file's valid codes.
    Valid,
    /// A code that stands in no other file.
    Private,
    /// One of the two above once more.
    Repeat,
    /// Up to 7 characters.
    Short,
    /// 11 characters and more.
    Long,
    /// A code of another file in lower case, which is another code.
    OtherCase,
}

const KINDS: [Kind; 6] = [
    Kind::Valid,
    Kind::Private,
    Kind::Repeat,
    Kind::Short,
    Kind::Long,
    Kind::OtherCase,
];

impl Mixed {
    pub(super) fn new(scale: f64, seed: u64) -> Mixed {
        let lines = scaled(LINES, scale).max(FEWEST_LINES);
        let valid = scaled(VALID, scale).max(TURN);
        let others = [lines / 100, lines / 200, lines / 200, lines / 1_000];
        let of_file = valid / TURN * OF_TURN + valid % TURN;
        let private = lines - of_file - others.iter().sum::<u64>();
        let [repeats, short, long, other_case] = others;
        Mixed {
            seed: scramble(seed),
            spaces: LENGTHS.map(|length| CodeSpace::new(length, seed)),
            lines,
            valid,
            step: step(lines),
            slots: [of_file, private, repeats, short, long, other_case],
        }
    }

    /// The content of a line: its kind and the number among its kind.
    fn at(&self, file: u64, line: u64) -> (Kind, u64) {
        let mut slot = (line * self.step + self.seed % self.lines + file) % self.lines;
        for (kind, slots) in KINDS.into_iter().zip(self.slots) {
            if slot < slots {
                return (kind, slot);
            }
            slot -= slots;
        }
        (Kind::Short, slot)
    }

    fn slots(&self, kind: Kind) -> u64 {
        self.slots.get(kind as usize).copied().unwrap_or_default()
    }

    fn write_line(&self, file: u64, line: u64, text: &mut Vec<u8>) {
        let random = scramble(self.seed ^ (file << 60) ^ line);
        write_blanks(random, text);
        match self.at(file, line) {
            (Kind::Valid, number) => self.write_valid_of(file, number, text),
            (Kind::Private, number) => self.write_private(file, number, text),
            (Kind::Repeat, number) => self.write_repeat(file, number, text),
            (Kind::Short, _) => write_digits(random, random as usize % 8, text),
            (Kind::Long, number) => self.write_long(random, number, text),
            (Kind::OtherCase, number) => match self.other_case(file, number) {
                Some(code) => text.extend_from_slice(&code),
                None => text.extend_from_slice(b"short"),
            },
        }
        write_blanks(random >> 32, text);
        if random >> 16 & 15 == 0 {
            text.push(b'\r');
        }
        // The last line of the last file lacks its end.
        if file + 1 < FILES || line + 1 < self.lines {
            text.push(b'\n');
        }
    }

    /// The n-th of the valid codes that stand in a file.
    fn write_valid_of(&self, file: u64, nth: u64, text: &mut Vec<u8>) {
        let turns = self.valid / TURN;
        if nth >= turns * OF_TURN {
            // What is left over of the last turn stands in every file.
            return self.write_valid(turns * TURN + nth - turns * OF_TURN, text);
        }
        let (turn, place) = (nth / OF_TURN, nth % OF_TURN);
        let patterns = (0..)
            .zip(PATTERNS)
            .filter(|(_, files)| files >> file & 1 == 1)
            .map(|(pattern, _)| pattern);
        let pattern: u64 = patterns.skip((place / 3) as usize).take(1).sum();
        self.write_valid(turn * TURN + pattern * 3 + place % 3, text);
    }

    fn write_valid(&self, number: u64, text: &mut Vec<u8>) {
        let start = text.len();
        self.write_code(number % 3, number / 3, text);
        if number % LOWER_CASE == LOWER_CASE - 1 {
            text.get_mut(start..).unwrap_or_default().make_ascii_lowercase();
        }
    }

    fn write_private(&self, file: u64, number: u64, text: &mut Vec<u8>) {
        self.write_code(number % 3, (file + 1) * PRIVATE + number / 3, text);
    }

    fn write_repeat(&self, file: u64, number: u64, text: &mut Vec<u8>) {
        let [valid, private] = [Kind::Valid, Kind::Private].map(|kind| self.slots(kind));
        let repeated = scale(scramble(self.seed ^ number), valid + private);
        match repeated.checked_sub(valid) {
            None => self.write_valid_of(file, repeated, text),
            Some(private) => self.write_private(file, private, text),
        }
    }

    /// 11 to 74 characters; the first one of a file as many as the file has lines, at most a
    /// mebibyte.
    fn write_long(&self, random: u64, number: u64, text: &mut Vec<u8>) {
        let length = match number {
            0 => self.lines.min(1 << 20) as usize,
            _ => 11 + (random >> 8) as usize % 64,
        };
        write_digits(random, length, text);
    }

    /// A private code of the next file in lower case; none if it has no letter.
    fn other_case(&self, file: u64, number: u64) -> Option<Vec<u8>> {
        let mut code = Vec::new();
        self.write_private((file + 1) % FILES, number, &mut code);
        let has_letter = code.iter().any(u8::is_ascii_uppercase);
        code.make_ascii_lowercase();
        has_letter.then_some(code)
    }

    fn write_code(&self, length: u64, number: u64, text: &mut Vec<u8>) {
        if let Some(space) = self.spaces.get(length as usize) {
            space.write(space.code(number), text);
        }
    }
}

/// Blanks and tabs beside one line in 64, now and then many of them.
fn write_blanks(random: u64, text: &mut Vec<u8>) {
    let count = match random & 0xfff {
        0..4 => 70,
        4..64 => 1 + random as usize % 3,
        _ => return,
    };
    let blank = if random & 0x1000 == 0 { b' ' } else { b'\t' };
    text.resize(text.len() + count, blank);
}

/// A step that visits every slot: near the golden section, so that each kind is spread evenly.
fn step(lines: u64) -> u64 {
    let golden = (lines as f64 * 0.618_033_988_75) as u64;
    let coprime = (golden..).find(|step| greatest_common_divisor(*step, lines) == 1);
    coprime.unwrap_or(1)
}

fn greatest_common_divisor(one: u64, other: u64) -> u64 {
    if other == 0 {
        one
    } else {
        greatest_common_divisor(other, one % other)
    }
}

impl Corpus for Mixed {
    fn files(&self) -> Vec<FileShape> {
        (1..=FILES)
            .map(|number| FileShape {
                name: format!("mixed{number}.gz"),
                lines: self.lines,
                one_member: false,
            })
            .collect()
    }

    fn write(&self, file: usize, lines: Range<u64>, text: &mut Vec<u8>) {
        for line in lines {
            self.write_line(file as u64, line, text);
        }
    }

    fn expected(&self) -> Expected {
        let [_, private, repeats, ..] = self.slots;
        let in_file = |kind| self.slots(kind) * FILES;
        let other_case: u64 = (0..FILES)
            .map(|file| {
                let slots = 0..self.slots(Kind::OtherCase);
                slots
                    .filter(|number| self.other_case(file, *number).is_some())
                    .count() as u64
            })
            .sum();
        let mut valid: Vec<[u8; 10]> = Vec::with_capacity(self.valid as usize);
        let mut text = Vec::new();
        for number in 0..self.valid {
            text.clear();
            self.write_valid(number, &mut text);
            valid.push(padded(&text));
        }
        valid.sort_unstable();
        Expected {
            lines: self.lines * FILES,
            in_range: in_file(Kind::Valid) + in_file(Kind::Private) + in_file(Kind::Repeat) + other_case,
            distinct: self.valid + private * FILES + other_case,
            repeats: repeats * FILES,
            valid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::count;

    #[test]
    fn at_full_scale_five_million_codes_are_valid() {
        let corpus = Mixed::new(1.0, 1);

        assert_eq!(corpus.valid, VALID);
        assert_eq!(corpus.slots.iter().sum::<u64>(), LINES);
        assert_eq!(corpus.slots(Kind::Valid), VALID / TURN * OF_TURN + VALID % TURN);
    }

    #[test]
    fn what_is_expected_is_what_stands_in_the_files() {
        for (scale, seed) in [(0.0, 1), (0.000_3, 2)] {
            let corpus = Mixed::new(scale, seed);

            let (counted, files) = count(&corpus, |file, text| {
                assert_eq!(text.ends_with('\n'), file < 2);
                for oddity in ["\r\n", "\t", "  ", "\n"] {
                    assert!(text.contains(oddity), "{oddity:?}");
                }
            });

            assert_eq!(counted, corpus.expected());
            assert_eq!(counted.valid.len() as u64, corpus.valid);
            for length in LENGTHS {
                let codes = files.iter().filter(|(code, _)| code.len() == length);
                assert_eq!(codes.fold(0, |all, (_, files)| all | files), 0b111);
            }
        }
    }
}
