//! A reader that notes the SHA-256 of all that is read.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

use super::Sum;

/// Hashes what is read through it and notes the sum when there is no more.
pub(super) struct Hashing<R> {
    reader: R,
    sum: Sha256,
    noted: Sum,
}

impl<R: Read> Hashing<R> {
    pub(super) fn new(reader: R, noted: Sum) -> Hashing<R> {
        Hashing {
            reader,
            sum: Sha256::new(),
            noted,
        }
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.sum.update(buffer.get(..length).unwrap_or_default());
        if length == 0 && !buffer.is_empty() {
            // A second reading of the same file finds the same, or `Input::unchanged` complains.
            self.noted.get_or_init(|| self.sum.clone().finalize().into());
        }
        Ok(length)
    }
}
