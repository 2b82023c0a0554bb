use crate::{MAX_LENGTH, MIN_LENGTH};

/// Most bytes of a code: 10 characters of 4 bytes.
const MAX_BYTES: usize = MAX_LENGTH * 4;

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// A code.
    Code(&'a [u8]),
    /// Too short or too long.
    OutOfRange,
    /// Short enough, but not UTF-8.
    NotUtf8,
}

/// Splits text that comes in pieces into lines. Holds at most one code, however long a line is.
pub(crate) struct Splitter {
    text: [u8; MAX_BYTES],
    /// Bytes of `text` in use, trailing blanks included.
    length: usize,
    /// Bytes of `text` up to the last one that is no blank.
    trimmed: usize,
    /// More blanks followed than `text` could hold: any other byte makes the line too long.
    full: bool,
    /// The line is longer than any code.
    long: bool,
    /// Bytes were met since the last newline.
    begun: bool,
}

impl Splitter {
    pub(crate) fn new() -> Splitter {
        Splitter {
            text: [0; MAX_BYTES],
            length: 0,
            trimmed: 0,
            full: false,
            long: false,
            begun: false,
        }
    }

    /// Hands every line that `piece` ends to `take`.
    pub(crate) fn push(&mut self, piece: &[u8], mut take: impl FnMut(Line<'_>)) {
        let mut rest = piece;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            if self.begun {
                self.append(line);
                take(self.line());
                self.reset();
            } else {
                take(classify(line.trim_ascii_with(is_blank)));
            }
        }
        if !rest.is_empty() {
            self.begun = true;
            self.append(rest);
        }
    }

    /// Hands over the last line if it lacks its newline.
    pub(crate) fn finish(&mut self, take: impl FnOnce(Line<'_>)) {
        if self.begun {
            take(self.line());
        }
        self.reset();
    }

    fn append(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if self.long {
                return;
            }
            if is_blank(byte) && self.length == 0 {
                continue;
            }
            match self.text.get_mut(self.length) {
                Some(free) if !self.full => {
                    *free = byte;
                    self.length += 1;
                    if !is_blank(byte) {
                        self.trimmed = self.length;
                    }
                }
                _ if is_blank(byte) => self.full = true,
                _ => self.long = true,
            }
        }
    }

    fn line(&self) -> Line<'_> {
        if self.long {
            Line::OutOfRange
        } else {
            classify(self.text.get(..self.trimmed).unwrap_or_default())
        }
    }

    fn reset(&mut self) {
        (self.length, self.trimmed, self.full, self.long, self.begun) = (0, 0, false, false, false);
    }
}

trait Trim {
    fn trim_ascii_with(&self, cut: fn(u8) -> bool) -> &Self;
}

impl Trim for [u8] {
    fn trim_ascii_with(&self, cut: fn(u8) -> bool) -> &[u8] {
        let mut text = self;
        while let [first, rest @ ..] = text
            && cut(*first)
        {
            text = rest;
        }
        while let [rest @ .., last] = text
            && cut(*last)
        {
            text = rest;
        }
        text
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

fn classify(line: &[u8]) -> Line<'_> {
    if line.len() > MAX_BYTES {
        return Line::OutOfRange;
    }
    match std::str::from_utf8(line) {
        Ok(text) if (MIN_LENGTH..=MAX_LENGTH).contains(&text.chars().count()) => Line::Code(line),
        Ok(_) => Line::OutOfRange,
        Err(_) => Line::NotUtf8,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(pieces: &[&[u8]]) -> Vec<String> {
        let mut splitter = Splitter::new();
        let mut lines = Vec::new();
        let mut take = |line: Line<'_>| lines.push(format!("{line:?}"));
        for piece in pieces {
            splitter.push(piece, &mut take);
        }
        splitter.finish(take);
        lines
    }

    #[test]
    fn lines_are_trimmed_of_blanks_tabs_and_returns_only() {
        let code = format!("{:?}", Line::Code(b"HAPPYHRS"));
        for text in ["HAPPYHRS", "HAPPYHRS\n", "HAPPYHRS\r\n", " \t\rHAPPYHRS \t\r"] {
            assert_eq!(split(&[text.as_bytes()]), [code.as_str()], "{text:?}");
        }
        let not_trimmed = "HAPPYHR\u{a0}\n";
        assert_eq!(
            split(&[not_trimmed.as_bytes()]),
            [format!("{:?}", Line::Code("HAPPYHR\u{a0}".as_bytes()))]
        );
    }

    #[test]
    fn length_counts_characters() {
        for (line, code) in [
            ("1234567", false),
            ("12345678", true),
            ("1234567890", true),
            ("12345678901", false),
        ] {
            assert_eq!(
                classify(line.as_bytes()) == Line::Code(line.as_bytes()),
                code,
                "{line}"
            );
        }
        let wide = "😀".repeat(10);
        assert_eq!(classify(wide.as_bytes()), Line::Code(wide.as_bytes()));
        assert_eq!(classify(b"HAPPY\xffHRS"), Line::NotUtf8);
    }

    #[test]
    fn an_empty_text_has_no_line_and_a_newline_ends_one() {
        assert!(split(&[]).is_empty());
        assert_eq!(split(&[b"\n\n"]).len(), 2);
        assert_eq!(split(&[b"\n "]).len(), 2);
    }

    proptest! {
        /// However the text is cut into pieces, the lines are those of the text.
        #[test]
        fn pieces_do_not_matter(
            bytes in prop::collection::vec(prop::sample::select(b"A9 \t\r\n\xc3\xa9\xff".to_vec()), 0..200),
            blanks in 0usize..100,
            cuts in prop::collection::vec(0usize..300, 0..8),
        ) {
            let mut text = bytes.clone();
            text.extend(std::iter::repeat_n(b' ', blanks));
            text.extend(bytes.iter().rev());
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();

            let mut expected: Vec<String> = text
                .split(|byte| *byte == b'\n')
                .map(|line| format!("{:?}", classify(line.trim_ascii_with(is_blank))))
                .collect();
            if text.is_empty() || text.ends_with(b"\n") {
                expected.pop();
            }
            prop_assert_eq!(split(&pieces), expected);
        }
    }
}
