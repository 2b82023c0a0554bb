//! A line that is split over several pieces of text.

use super::{MAX_BYTES, NotUtf8, Sink, begin, take, trim};

/// A line of which not all pieces have come yet.
#[derive(Debug, Default)]
pub(super) struct Partial {
    /// The line without the blanks and marks that it begins with, as far as it may be a code.
    text: Vec<u8>,
    /// The line is longer than any code.
    long: bool,
    /// Bytes were met since the last newline.
    begun: bool,
    utf8: Utf8,
}

impl Partial {
    pub(super) fn begun(&self) -> bool {
        self.begun
    }

    pub(super) fn append(&mut self, piece: &[u8]) {
        self.begun |= !piece.is_empty();
        self.utf8.append(piece);
        if self.long {
            return;
        }
        self.text.extend_from_slice(piece);
        let begun = self.text.len() - begin(&self.text).len();
        self.text.drain(..begun);
        self.long = trim(&self.text).len() > MAX_BYTES;
        // One byte more stands for all blanks that follow: whatever comes after it is too much.
        self.text.truncate(MAX_BYTES + 1);
    }

    /// Ends the line and begins a new one.
    pub(super) fn end(&mut self, sink: &mut impl Sink) -> Result<(), NotUtf8> {
        let line = std::mem::take(self);
        if line.utf8.invalid || !line.utf8.pending.is_empty() {
            return Err(NotUtf8);
        }
        match line.long {
            true => Ok(()),
            false => take(trim(&line.text), sink),
        }
    }
}

/// Whether text that comes in pieces is UTF-8.
#[derive(Debug, Default)]
struct Utf8 {
    /// A character whose last bytes are to come.
    pending: Vec<u8>,
    invalid: bool,
}

impl Utf8 {
    fn append(&mut self, piece: &[u8]) {
        if self.invalid {
            return;
        }
        self.pending.extend_from_slice(piece);
        match std::str::from_utf8(&self.pending) {
            Ok(_) => self.pending.clear(),
            Err(error) => {
                self.invalid = error.error_len().is_some();
                self.pending.drain(..error.valid_up_to());
            }
        }
    }
}
