//! Text that comes in pieces, split into lines, and lines into codes.

mod beginning;
mod partial;

use memchr::memchr;

use crate::kind::Kind;
use crate::pack::{CodePrefix, pack};
use crate::{MAX_LENGTH, MIN_LENGTH};
use beginning::Beginning;
use partial::Partial;

/// Most bytes of a code: 10 characters of 4 bytes.
pub(crate) const MAX_BYTES: usize = MAX_LENGTH * 4;

/// Editors and spreadsheets begin a text with it, and joined files have it in the middle.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Takes codes.
pub(crate) trait Sink {
    /// A code of A to Z and 0 to 9; its number is computed only on demand.
    fn packed(&mut self, kind: Kind, code: impl FnOnce() -> u64);
    /// A code with other characters in it, UTF-8, at most [`MAX_BYTES`].
    fn other(&mut self, code: &[u8]);
}

/// Splits text that comes in pieces. Holds at most one code, however long a line is.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    partial: Partial,
    /// Lines so far, empty ones included.
    pub(crate) lines: u64,
    /// Lines so far that are not UTF-8, whatever their length.
    pub(crate) not_utf8: u64,
    beginning: Beginning,
}

impl Splitter {
    /// Hands the code of every line that `piece` ends to `sink`.
    pub(crate) fn push(&mut self, piece: &[u8], sink: &mut impl Sink) {
        let mut rest = piece;
        if !self.beginning.is_complete() {
            self.beginning.append(piece);
        }
        if self.partial.begun() {
            let Some((line, after)) = line(rest) else {
                self.partial.append(rest);
                return;
            };
            self.partial.append(line);
            self.end_partial(sink);
            rest = after;
        }
        loop {
            let mut plain_lines = 0;
            while let Some(bytes) = rest.first_chunk().and_then(|text| plain(text, sink)) {
                plain_lines += 1;
                rest = rest.get(bytes..).unwrap_or_default();
            }
            self.lines += plain_lines;
            let Some((line, after)) = line(rest) else { break };
            self.lines += 1;
            self.not_utf8 += u64::from(take(trim(line), sink) == Err(NotUtf8));
            rest = after;
        }
        self.partial.append(rest);
    }

    /// Hands over the last line if it lacks its newline. Answers what the text is, if it is none
    /// that could be split.
    pub(crate) fn finish(&mut self, sink: &mut impl Sink) -> Result<(), String> {
        if self.partial.begun() {
            self.end_partial(sink);
        }
        let is_one_line = self.lines == 1;
        self.beginning.check(is_one_line)
    }

    fn end_partial(&mut self, sink: &mut impl Sink) {
        self.lines += 1;
        self.not_utf8 += u64::from(self.partial.end(sink) == Err(NotUtf8));
    }
}

/// The first line, without its newline, and what follows it.
fn line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (line, after) = text.split_at_checked(memchr(b'\n', text)?)?;
    Some((line, after.get(1..)?))
}

/// Takes the line that `text` begins with if it is what nearly all lines are: a code of A to Z and
/// 0 to 9, and `\n` or `\r\n`. Answers of how many bytes it is.
#[inline]
fn plain(text: &[u8; 16], sink: &mut impl Sink) -> Option<usize> {
    let [.., a, b, c, d, _, _, _, _] = *text;
    let prefix = CodePrefix::new(text);
    match prefix.length() {
        8 => {
            let end = end(a, b)?;
            sink.packed(Kind::Eight, || prefix.eight());
            Some(8 + end)
        }
        9 => {
            let end = end(b, c)?;
            sink.packed(Kind::Nine, || prefix.nine());
            Some(9 + end)
        }
        10 => {
            let end = end(c, d)?;
            sink.packed(Kind::Ten, || prefix.ten());
            Some(10 + end)
        }
        _ => None,
    }
}

/// Bytes of the end of a line.
#[inline]
fn end(first: u8, second: u8) -> Option<usize> {
    match (first, second) {
        (b'\n', _) => Some(1),
        (b'\r', b'\n') => Some(2),
        _ => None,
    }
}

/// The line is not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NotUtf8;

/// Hands a trimmed line to `sink` if it is a code.
fn take(line: &[u8], sink: &mut impl Sink) -> Result<(), NotUtf8> {
    if let Some((kind, code)) = pack(line) {
        sink.packed(kind, || code);
        return Ok(());
    }
    let characters = match line.is_ascii() {
        true => line.len(),
        false => std::str::from_utf8(line).map_err(|_| NotUtf8)?.chars().count(),
    };
    if (MIN_LENGTH..=MAX_LENGTH).contains(&characters) {
        sink.other(line);
    }
    Ok(())
}

/// Cuts blanks at both ends, and byte order marks before the first character.
fn trim(line: &[u8]) -> &[u8] {
    let mut text = begin(line);
    while let [rest @ .., last] = text
        && is_blank(*last)
    {
        text = rest;
    }
    text
}

/// Cuts blanks and byte order marks before the first character.
fn begin(line: &[u8]) -> &[u8] {
    let mut rest = line;
    loop {
        let blanks = rest.iter().take_while(|byte| is_blank(**byte)).count();
        let text = rest.get(blanks..).unwrap_or_default();
        match text.strip_prefix(BYTE_ORDER_MARK) {
            Some(marked) => rest = marked,
            None => return text,
        }
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    use super::*;
    use crate::pack::{sortable, unpack};

    #[derive(Default)]
    struct Taken(Vec<Vec<u8>>);

    impl Sink for Taken {
        fn packed(&mut self, kind: Kind, code: impl FnOnce() -> u64) {
            let (text, length) = unpack(sortable(kind, code()));
            self.0.push(text[..length].to_vec());
        }

        fn other(&mut self, code: &[u8]) {
            assert!(pack(code).is_none(), "{code:?} should be packed");
            self.0.push(code.to_vec());
        }
    }

    /// The codes, the lines, and those that are not UTF-8.
    type Split = (Vec<Vec<u8>>, u64, u64);

    fn split(pieces: &[&[u8]]) -> Split {
        let mut splitter = Splitter::default();
        let mut taken = Taken::default();
        for piece in pieces {
            splitter.push(piece, &mut taken);
        }
        let _ = splitter.finish(&mut taken);
        (taken.0, splitter.lines, splitter.not_utf8)
    }

    /// The same, said as plainly as can be.
    fn expected(text: &[u8]) -> Split {
        let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
        if text.is_empty() || text.ends_with(b"\n") {
            lines.pop();
        }
        let texts = lines.iter().filter_map(|line| std::str::from_utf8(line).ok());
        let codes: Vec<Vec<u8>> = texts
            .clone()
            .map(|line| line.trim_start_matches([' ', '\t', '\r', '\u{feff}']))
            .map(|line| line.trim_end_matches([' ', '\t', '\r']))
            .filter(|line| (8..=10).contains(&line.chars().count()))
            .map(|line| line.as_bytes().to_vec())
            .collect();
        (codes, lines.len() as u64, (lines.len() - texts.count()) as u64)
    }

    #[test]
    fn lines_are_trimmed_of_blanks_tabs_and_returns_only() {
        for text in [
            "HAPPYHRS",
            "HAPPYHRS\n",
            "HAPPYHRS\r\n",
            " \t\rHAPPYHRS \t\r",
            "\nHAPPYHRS\r\r\n\n",
        ] {
            assert_eq!(split(&[text.as_bytes()]).0, [b"HAPPYHRS"], "{text:?}");
        }
        let not_trimmed = "HAPPYHR\u{a0}";
        assert_eq!(split(&[not_trimmed.as_bytes()]).0, [not_trimmed.as_bytes()]);
        assert_eq!(split(&[b"HAPPYHR\x0b\n"]).0, [b"HAPPYHR\x0b"]);
    }

    #[test]
    fn byte_order_marks_before_a_code_are_cut() {
        for text in [
            "\u{feff}HAPPYHRS",
            " \u{feff} HAPPYHRS\r\n",
            "\n\u{feff}HAPPYHRS\n",
            "\u{feff}\u{feff}HAPPYHRS",
            "\u{feff} \u{feff}\tHAPPYHRS",
        ] {
            assert_eq!(split(&[text.as_bytes()]).0, [b"HAPPYHRS"], "{text:?}");
        }
        let widest = format!("\u{feff}{}", "😀".repeat(10));
        assert_eq!(split(&[widest.as_bytes()]), expected(widest.as_bytes()));
    }

    #[test]
    fn a_text_that_cannot_be_split_says_why() {
        let said = |text: &[u8]| {
            let mut splitter = Splitter::default();
            text.chunks(1)
                .for_each(|piece| splitter.push(piece, &mut Taken::default()));
            splitter.finish(&mut Taken::default()).err().unwrap_or_default()
        };
        for text in [
            b"\xff\xfeH\0A\0".as_slice(),
            b"\xfe\xff\0H\0A",
            b"H\0A\0P\0\n\0",
            b"\0H\0A\0\n",
        ] {
            assert!(said(text).contains("UTF-16"), "{text:?}");
        }
        for text in [
            b"HAPPYHRS\rFIFTYOFF".as_slice(),
            b"\r\rHAPPYHRS\r \rFIFTYOFF\r",
            b"HAPPYHRS\rFIFTYOFF\n",
        ] {
            assert!(said(text).contains("CR alone"), "{text:?}");
        }
        for text in [
            b"HAPPYHRS\r".as_slice(),
            b"HAPPYHRS\r\nFIFTY\rOFF",
            b"A\rB\nC",
            b"",
            b"\r",
            b"\0",
            b"A\0B\n",
        ] {
            assert_eq!(said(text), "", "{text:?}");
        }
    }

    #[test]
    fn length_counts_characters() {
        for (line, codes) in [
            ("1234567", 0),
            ("12345678", 1),
            ("1234567890", 1),
            ("12345678901", 0),
            ("ééééééé", 0),
            ("éééééééé", 1),
            ("😀😀😀😀😀😀😀😀😀😀", 1),
            ("😀😀😀😀😀😀😀😀😀😀😀", 0),
        ] {
            assert_eq!(split(&[line.as_bytes()]), expected(line.as_bytes()), "{line}");
            assert_eq!(split(&[line.as_bytes()]).0.len(), codes, "{line}");
        }
    }

    #[test]
    fn a_line_that_is_not_utf8_is_counted_whatever_its_length() {
        let long = [b"\xc3".as_slice(), &[b'A'; 1000], b"\n"].concat();
        let cut_off = [b"\xc3\xa9".repeat(1000).as_slice(), b"\xc3\n"].concat();
        for text in [b"HAPPY\xffHRS\n".as_slice(), b"\xff", &long, &cut_off] {
            let (codes, lines, not_utf8) = split(&[text]);
            assert_eq!((codes.len(), lines, not_utf8), (0, 1, 1), "{text:?}");
        }
    }

    #[test]
    fn an_empty_text_has_no_line_and_a_newline_ends_one() {
        assert_eq!(split(&[]).1, 0);
        assert_eq!(split(&[b"\n\n"]).1, 2);
        assert_eq!(split(&[b"\n "]).1, 2);
    }

    /// Lines of all sorts, most of them near the border between one sort and another.
    fn text() -> impl Strategy<Value = Vec<u8>> {
        let code = prop::collection::vec(prop::sample::select(b"AZ09".to_vec()), 7..12);
        let odd = prop::collection::vec(
            prop::sample::select(b"A9 \t\r\0a\xc3\xa9\xff\xef\xbb\xbf".to_vec()),
            0..14,
        );
        let wide = prop::collection::vec(
            prop::sample::select(vec!["é", "😀", "A", "\u{a0}", "\u{feff}"]),
            7..12,
        )
        .prop_map(|characters| characters.concat().into_bytes());
        let long = (30usize..60, "[ A\u{e9}]").prop_map(|(times, text)| text.repeat(times).into_bytes());
        let line = (
            prop_oneof![6 => code, 3 => odd, 2 => wide, 1 => long],
            prop::sample::select(vec![(0, 0), (0, 0), (1, 0), (0, 1), (3, 3), (60, 0), (0, 60)]),
            prop::sample::select(vec!["\n", "\n", "\r\n", "\n\n", ""]),
        );
        let line = line.prop_map(|(text, (before, after), end)| {
            [&b" ".repeat(before), &text, &b"\t".repeat(after), end.as_bytes()].concat()
        });
        prop::collection::vec(line, 0..24).prop_map(|lines| lines.concat())
    }

    /// However the text is cut into pieces, the codes are those of the text.
    fn pieces_do_not_matter(cases: usize) {
        let cuts = prop::collection::vec(any::<prop::sample::Index>(), 0..9);
        let mut runner = TestRunner::new(ProptestConfig::with_cases(cases as u32));
        let result = runner.run(&(text(), cuts), |(text, cuts)| {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();

            prop_assert_eq!(split(&pieces), expected(&text));
            Ok(())
        });
        result.unwrap();
    }

    mod soak {
        #[test]
        fn lines_do_not_depend_on_how_their_text_is_cut() {
            super::pieces_do_not_matter(test_support::scaled(20_000));
        }
    }

    proptest! {
        #[test]
        fn fuzz_coupon_lines_one_byte_at_a_time(text in text()) {
            let pieces: Vec<&[u8]> = text.chunks(1).collect();
            prop_assert_eq!(split(&pieces), expected(&text));
        }
    }
}
