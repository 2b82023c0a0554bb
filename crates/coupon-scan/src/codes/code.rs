//! One valid code as text.

use std::fmt;

use crate::lines::MAX_BYTES;
use crate::pack::unpack;

/// One code, unpacked: 8 to 10 characters.
///
/// Sorts by its bytes: the text comes before the length, and free bytes are zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code {
    text: [u8; MAX_BYTES],
    length: u8,
}

impl Code {
    /// `text` is of at most [`MAX_BYTES`].
    pub(super) fn new(text: &[u8]) -> Code {
        let mut code = Code {
            text: [0; MAX_BYTES],
            length: text.len() as u8,
        };
        for (to, from) in code.text.iter_mut().zip(text) {
            *to = *from;
        }
        code
    }

    pub(super) fn unpack(sortable: u64) -> Code {
        let (text, length) = unpack(sortable);
        Code::new(text.get(..length).unwrap_or_default())
    }

    /// The code's text.
    pub fn as_str(&self) -> &str {
        // It was checked when it was read.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The code's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.text.get(..usize::from(self.length)).unwrap_or_default()
    }
}

impl fmt::Display for Code {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), out)
    }
}
