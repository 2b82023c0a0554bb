//! The beginning of a text, which shows what cannot be split into lines.

use super::is_blank;
use crate::foreign::{HEAD, foreign};

/// The first bytes of a text, and its first line: they show texts that would give no code at all.
#[derive(Debug, Default)]
pub(super) struct Beginning {
    head: Vec<u8>,
    /// The first line has ended.
    is_over: bool,
    /// `\r` was met in it.
    returned: bool,
    /// Text was met after that.
    goes_on: bool,
}

impl Beginning {
    /// Whether nothing more needs to be appended.
    pub(super) fn is_complete(&self) -> bool {
        self.is_over && self.head.len() == HEAD
    }

    pub(super) fn append(&mut self, piece: &[u8]) {
        self.head.extend(piece.iter().take(HEAD - self.head.len()));
        for &byte in piece {
            if self.is_over || byte == b'\n' {
                self.is_over = true;
                break;
            }
            self.goes_on |= self.returned && !is_blank(byte);
            self.returned |= byte == b'\r';
        }
    }

    /// What the text is, if it is none that could be split.
    pub(super) fn check(&self, is_one_line: bool) -> Result<(), String> {
        match foreign(&self.head) {
            Some(what) => Err(format!("it is {what}")),
            None if is_one_line && self.goes_on => {
                Err("its lines end in CR alone, LF or CRLF is expected".into())
            }
            None => Ok(()),
        }
    }
}
