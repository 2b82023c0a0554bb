//! Zstandard decompression with a limit on the window.

use std::io;

use zstd::stream::raw::{DParameter, Decoder, Operation as _};

use super::SourceError;
use super::raw::Raw;

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Of a frame that holds no data (RFC 8878, 3.1.2), but for the lower half of the first byte.
const SKIPPED: [u8; 4] = [0x50, 0x2a, 0x4d, 0x18];
/// The error of the library for a window that is too large.
const TOO_LARGE: &str = "Frame requires too much memory for decoding";
/// Windows of which every decoder must be capable (RFC 8878, 3.1.1.1.2).
const USUAL_WINDOW: u64 = 8 << 20;

/// Zstandard of any number of frames.
///
/// The C library, because it is six times as fast as its counterpart in Rust on coupon codes and
/// can be told how much it may remember.
pub(super) struct Zstd {
    decoder: Decoder<'static>,
    window: u64,
    limit: u64,
    inside: bool,
    /// A frame has ended.
    ended: bool,
    /// The decoder may hold text for which there was no room.
    held: bool,
}

impl Zstd {
    pub(super) fn begins(head: &[u8]) -> bool {
        match head.first_chunk::<4>() {
            Some(&[first, rest @ ..]) => {
                [first].iter().chain(&rest).eq(&MAGIC) || [first & 0xf0].iter().chain(&rest).eq(&SKIPPED)
            }
            None => false,
        }
    }

    /// `limit` is the most bytes that may be remembered.
    pub(super) fn new(limit: u64) -> io::Result<Zstd> {
        let limit = limit.max(USUAL_WINDOW);
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(limit.ilog2().min(31)))?;
        Ok(Zstd {
            decoder,
            window: 0,
            limit,
            inside: false,
            ended: false,
            held: false,
        })
    }

    /// The largest window so far, bytes.
    pub(super) fn window(&self) -> u64 {
        self.window
    }

    pub(super) fn read(&mut self, raw: &mut Raw, text: &mut [u8]) -> Result<usize, SourceError> {
        loop {
            let compressed = raw.fill()?;
            let nothing = compressed.is_empty();
            if nothing && !self.inside {
                return Ok(0);
            }
            if nothing && !self.held {
                return Err(SourceError::cut_off());
            }
            if !self.inside {
                self.window = self.window.max(window(compressed).unwrap_or_default());
            }
            if self.window > self.limit {
                return Err(SourceError::Window(self.window));
            }
            let status =
                self.decoder
                    .run_on_buffers(compressed, text)
                    .map_err(|error| match error.to_string() {
                        // A header that came in pieces.
                        message if message == TOO_LARGE => SourceError::Window(2 * self.limit),
                        _ if self.ended && !self.inside => SourceError::trailing(),
                        message => SourceError::damaged(message),
                    })?;
            raw.take(status.bytes_read);
            self.inside = status.remaining > 0;
            self.ended |= !self.inside;
            self.held = status.bytes_written == text.len();
            if status.bytes_written > 0 {
                return Ok(status.bytes_written);
            }
        }
    }
}

/// The window that a frame asks for (RFC 8878, 3.1.1.1); `None` for a frame without data, and if
/// the header is cut off.
fn window(head: &[u8]) -> Option<u64> {
    let (magic, header) = head.split_first_chunk()?;
    if *magic != MAGIC {
        return None;
    }
    let (descriptor, fields) = header.split_first()?;
    if descriptor & (1 << 5) == 0 {
        let window = fields.first()?;
        let base = 1 << (10 + u64::from(window >> 3));
        return Some(base + base / 8 * u64::from(window & 7));
    }
    // A single segment: the window is the content. The size of the dictionary's number goes before
    // that of the content.
    let size = fields.get([0, 1, 2, 4].get(usize::from(descriptor & 3)).copied()?..)?;
    let byte = |at: usize| size.get(at).copied().map(u64::from);
    match descriptor >> 6 {
        0 => byte(0),
        1 => Some(256 + byte(0)? + (byte(1)? << 8)),
        2 => size
            .first_chunk()
            .map(|size| u64::from(u32::from_le_bytes(*size))),
        _ => size.first_chunk().map(|size| u64::from_le_bytes(*size)),
    }
}
