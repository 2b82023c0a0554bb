//! A line that is split over several pieces of text.

use super::{BYTE_ORDER_MARK, MAX_BYTES, NotUtf8, Sink, is_blank, take};

/// A line of which not all pieces have come yet.
#[derive(Debug)]
pub(super) struct Partial {
    /// The line from its first byte that is no blank.
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
    utf8: Utf8,
}

impl Default for Partial {
    fn default() -> Partial {
        Partial {
            text: [0; MAX_BYTES],
            length: 0,
            trimmed: 0,
            full: false,
            long: false,
            begun: false,
            utf8: Utf8::default(),
        }
    }
}

impl Partial {
    pub(super) fn begun(&self) -> bool {
        self.begun
    }

    pub(super) fn append(&mut self, piece: &[u8]) {
        self.begun |= !piece.is_empty();
        self.utf8.append(piece);
        for &byte in piece {
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
                    if self.text.get(..self.length) == Some(BYTE_ORDER_MARK) {
                        (self.length, self.trimmed) = (0, 0);
                    }
                }
                _ if is_blank(byte) => self.full = true,
                _ => self.long = true,
            }
        }
    }

    /// Ends the line and begins a new one.
    pub(super) fn end(&mut self, sink: &mut impl Sink) -> Result<(), NotUtf8> {
        let line = std::mem::take(self);
        if !line.utf8.is_valid() {
            return Err(NotUtf8);
        }
        match line.text.get(..line.trimmed) {
            Some(text) if !line.long => take(text, sink),
            _ => Ok(()),
        }
    }
}

/// Whether text that comes in pieces is UTF-8.
#[derive(Debug, Default)]
struct Utf8 {
    /// A character whose last bytes are to come.
    pending: [u8; 4],
    length: usize,
    invalid: bool,
}

impl Utf8 {
    fn append(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while self.length > 0
            && !self.invalid
            && let [byte, after @ ..] = rest
        {
            rest = after;
            if let Some(free) = self.pending.get_mut(self.length) {
                *free = *byte;
                self.length += 1;
            }
            let pending = self.pending.get(..self.length).unwrap_or_default();
            match std::str::from_utf8(pending) {
                Ok(_) => self.length = 0,
                Err(error) => self.invalid = error.error_len().is_some(),
            }
        }
        if self.invalid {
            return;
        }
        if let Err(error) = std::str::from_utf8(rest) {
            let pending = rest.get(error.valid_up_to()..).unwrap_or_default();
            match self.pending.get_mut(..pending.len()) {
                Some(free) if error.error_len().is_none() => {
                    free.copy_from_slice(pending);
                    self.length = pending.len();
                }
                _ => self.invalid = true,
            }
        }
    }

    fn is_valid(&self) -> bool {
        !self.invalid && self.length == 0
    }
}
