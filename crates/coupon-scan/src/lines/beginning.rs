//! The beginning of a text, which shows what cannot be split into lines.

use super::is_blank;

/// The first line of a text, or what goes for it: shows texts that would give no code at all.
#[derive(Debug, Default)]
pub(super) struct Beginning {
    head: [u8; 4],
    length: usize,
    /// `\r` was met.
    returned: bool,
    /// Text was met after it.
    goes_on: bool,
}

impl Beginning {
    pub(super) fn append(&mut self, piece: &[u8]) {
        for &byte in piece.iter().take_while(|byte| **byte != b'\n') {
            if let Some(free) = self.head.get_mut(self.length) {
                *free = byte;
                self.length += 1;
            }
            self.goes_on |= self.returned && !is_blank(byte);
            self.returned |= byte == b'\r';
        }
    }

    /// What the text is, if it is none that could be split.
    pub(super) fn check(&self, is_one_line: bool) -> Result<(), &'static str> {
        match self.head.get(..self.length).unwrap_or_default() {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [1..=255, 0, 1..=255, 0] | [0, 1..=255, 0, 1..=255] => {
                Err("it is UTF-16, UTF-8 is expected")
            }
            _ if is_one_line && self.goes_on => Err("its lines end in CR alone, LF or CRLF is expected"),
            _ => Ok(()),
        }
    }
}
