//! The bytes of an input as they lie on disk, buffered and counted.

use std::io::{self, Read};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::StreamOptions;
use crate::Progress;

/// Bytes read from a file at once.
pub(crate) const READ_BUFFER: usize = 128 * 1024;

/// The input as it lies on disk; remembers how far it was taken in.
pub(super) struct Raw {
    reader: Box<dyn Read + Send>,
    buffer: Box<[u8]>,
    /// The bytes of `buffer` that were read, but not taken in.
    rest: std::ops::Range<usize>,
    taken: u64,
    sha256: Option<Sha256>,
    progress: Arc<Progress>,
    /// The size of the input is unknown.
    endless: bool,
}

impl Raw {
    pub(super) fn new(reader: Box<dyn Read + Send>, endless: bool, stream_options: &StreamOptions) -> Raw {
        Raw {
            reader,
            buffer: vec![0; stream_options.buffer.max(super::SNIFF_BYTES)].into(),
            rest: 0..0,
            taken: 0,
            sha256: stream_options.sha256.then(Sha256::new),
            progress: Arc::clone(&stream_options.progress),
            endless,
        }
    }

    /// The next bytes; none at the end.
    pub(super) fn fill(&mut self) -> io::Result<&[u8]> {
        if self.rest.is_empty() {
            let read = some(&mut self.reader, &mut self.buffer)?;
            self.rest = 0..read;
            self.note(read);
        }
        Ok(self.buffer.get(self.rest.clone()).unwrap_or_default())
    }

    /// At the beginning: the first bytes, fewer if there are no more.
    pub(super) fn look(&mut self, bytes: usize) -> io::Result<&[u8]> {
        while self.rest.end < bytes {
            let free = self.buffer.get_mut(self.rest.end..).unwrap_or_default();
            let read = some(&mut self.reader, free)?;
            if read == 0 {
                break;
            }
            self.rest.end += read;
            self.progress.add(read as u64, self.endless);
        }
        let head = self.buffer.get(self.rest.clone()).unwrap_or_default();
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(head);
        }
        Ok(head.get(..bytes).unwrap_or(head))
    }

    pub(super) fn take(&mut self, bytes: usize) {
        self.rest.start += bytes;
        self.taken += bytes as u64;
    }

    pub(super) fn take_byte(&mut self) -> io::Result<Option<u8>> {
        let byte = self.fill()?.first().copied();
        self.take(usize::from(byte.is_some()));
        Ok(byte)
    }

    pub(super) fn offset(&self) -> u64 {
        self.taken
    }

    pub(super) fn read_bytes(&self) -> u64 {
        self.taken + self.rest.len() as u64
    }

    pub(super) fn sha256(&mut self) -> Option<[u8; 32]> {
        self.sha256.take().map(|sha256| sha256.finalize().into())
    }

    fn note(&mut self, read: usize) {
        self.progress.add(read as u64, self.endless);
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(self.buffer.get(..read).unwrap_or_default());
        }
    }
}

impl Read for Raw {
    fn read(&mut self, text: &mut [u8]) -> io::Result<usize> {
        let read = self.fill()?.read(text)?;
        self.take(read);
        Ok(read)
    }
}

/// One read that is not interrupted by a signal.
fn some(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            result => return result,
        }
    }
}
