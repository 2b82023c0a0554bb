//! Files of codes, made from few numbers.

use std::fmt::Write as _;

use proptest::prelude::*;

/// Some lines of one sort.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    pub(crate) sort: Sort,
    /// Number of the first code.
    pub(crate) first: u32,
    pub(crate) count: u32,
    pub(crate) step: u32,
    pub(crate) dress: Dress,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Sort {
    Eight,
    Nine,
    Ten,
    Lower,
    Wide,
    NotUtf8,
    Short,
    Long,
    VeryLong,
    Empty,
}

/// What stands around a code.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Dress {
    Plain,
    Crlf,
    Blanks,
    ManyBlanks,
    Twice,
}

impl Lines {
    /// Codes one after the other, dressed in nothing.
    pub(crate) fn new(sort: Sort, first: u32, count: u32) -> Lines {
        Lines {
            sort,
            first,
            count,
            step: 1,
            dress: Dress::Plain,
        }
    }

    fn append(&self, text: &mut Vec<u8>) {
        for number in (0..self.count).map(|at| self.first + at * self.step) {
            let line = line(self.sort, number);
            let (before, after): (&[u8], &[u8]) = match self.dress {
                Dress::Plain | Dress::Twice => (b"", b"\n"),
                Dress::Crlf => (b"", b"\r\n"),
                Dress::Blanks => (b" \t", b"\r \n"),
                Dress::ManyBlanks => (&[b' '; 50], &[&[b'\t'; 70][..], b"\n"].concat()),
            };
            for _ in 0..if matches!(self.dress, Dress::Twice) { 2 } else { 1 } {
                text.extend_from_slice(before);
                text.extend_from_slice(&line);
                text.extend_from_slice(after);
            }
        }
    }
}

fn line(sort: Sort, number: u32) -> Vec<u8> {
    // Neighboring numbers look nothing alike.
    let number = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let code = |length: usize, letters: &[u8]| -> Vec<u8> {
        let mut rest = number;
        let digits = (0..length).map(|_| {
            let letter = letters[(rest % letters.len() as u64) as usize];
            rest /= letters.len() as u64;
            letter
        });
        digits.collect()
    };
    let upper = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    match sort {
        Sort::Eight => code(8, upper),
        Sort::Nine => code(9, upper),
        Sort::Ten => code(10, upper),
        Sort::Lower => code(8 + (number % 3) as usize, b"abcXYZ019-. \t_"),
        Sort::Wide => {
            let mut text = String::new();
            let letters = ["é", "😀", "Z", "\u{a0}", "z"];
            for digit in code(8 + (number % 3) as usize, b"01234") {
                text.push_str(letters[usize::from(digit - b'0')]);
            }
            text.into_bytes()
        }
        Sort::NotUtf8 => [code(7, upper).as_slice(), b"\xff\xc3"].concat(),
        Sort::Short => code(7, upper),
        Sort::Long => code(11, upper),
        Sort::VeryLong => code(8, upper).repeat(40),
        Sort::Empty => Vec::new(),
    }
}

/// A file of these lines; the last one may lack its newline.
pub(crate) fn text(lines: &[Lines], newline: bool) -> Vec<u8> {
    let mut text = Vec::new();
    lines.iter().for_each(|lines| lines.append(&mut text));
    if !newline && text.ends_with(b"\n") {
        text.pop();
    }
    text
}

/// Files likely to have codes in common, most of them of 8 to 10 characters.
pub(crate) fn files(most: usize) -> impl Strategy<Value = Vec<Vec<u8>>> {
    let sort = prop_oneof![
        9 => prop::sample::select(vec![Sort::Eight, Sort::Nine, Sort::Ten]),
        3 => prop::sample::select(vec![Sort::Lower, Sort::Wide]),
        2 => prop::sample::select(vec![Sort::NotUtf8, Sort::Short, Sort::Long, Sort::VeryLong, Sort::Empty]),
    ];
    let dress = prop_oneof![
        4 => Just(Dress::Plain),
        2 => prop::sample::select(vec![Dress::Crlf, Dress::Blanks, Dress::ManyBlanks, Dress::Twice]),
    ];
    let count = prop_oneof![2 => 0..4u32, 3 => 0..100u32, 1 => 0..1500u32];
    let lines =
        (sort, 0..2000u32, count, 1..4u32, dress).prop_map(|(sort, first, count, step, dress)| Lines {
            sort,
            first,
            count,
            step,
            dress,
        });
    let file = (prop::collection::vec(lines, 0..5), any::<bool>());
    let file = file.prop_map(|(lines, newline)| text(&lines, newline));
    prop::collection::vec(file, 2..=most)
}

/// Files that begin with many codes of one length, and have some of others at their end.
pub(crate) fn late() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let sort = || prop::sample::select(vec![Sort::Eight, Sort::Nine, Sort::Ten, Sort::Lower]);
    let begin = (sort(), 0..3000u32, 1000..5000u32);
    let end = prop::collection::vec((sort(), 0..3000u32, 1..20u32), 0..3);
    let file = (begin, end).prop_map(|(begin, end)| {
        let lines = std::iter::once(begin).chain(end);
        let lines: Vec<Lines> = lines
            .map(|(sort, first, count)| Lines::new(sort, first, count))
            .collect();
        text(&lines, true)
    });
    prop::collection::vec(file, 2..5)
}

/// The beginning of a text, for messages.
pub(crate) fn shown(text: &[u8]) -> String {
    let mut shown = String::new();
    let _ = write!(
        shown,
        "{:?} ({} bytes)",
        String::from_utf8_lossy(&text[..text.len().min(60)]),
        text.len()
    );
    shown
}
