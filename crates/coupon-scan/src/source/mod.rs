//! Inputs as text: opened, told apart by content, decompressed.

mod gzip;
mod raw;
mod zstandard;

use std::io::{self, Read as _};
use std::sync::Arc;

use flate2::Crc;

use crate::{Input, Progress, ScanError};
use gzip::Gzip;
pub(crate) use raw::READ_BUFFER;
use raw::Raw;
use zstandard::Zstd;

/// Bytes that tell what a file is: magic numbers, or as much as shows that it is text.
const SNIFF_BYTES: usize = 64;

/// Why there is no more text.
enum SourceError {
    /// The operating system does not give it.
    Unreadable(io::Error),
    /// At the byte that was to be taken in next.
    Damaged(String),
    /// It takes this many bytes to decompress it.
    Window(u64),
}

impl From<io::Error> for SourceError {
    fn from(cause: io::Error) -> SourceError {
        SourceError::Unreadable(cause)
    }
}

impl SourceError {
    fn damaged(reason: impl Into<String>) -> SourceError {
        SourceError::Damaged(reason.into())
    }

    fn trailing() -> SourceError {
        SourceError::damaged("trailing data: garbage after the end of the compressed data")
    }

    fn cut_off() -> SourceError {
        SourceError::damaged("the compressed data are cut off")
    }
}

/// Options for opening an input.
#[derive(Clone, Debug)]
pub(crate) struct StreamOptions {
    pub(crate) progress: Arc<Progress>,
    pub(crate) sha256: bool,
    /// Bytes to read at once.
    pub(crate) buffer: usize,
    /// Most bytes of a decompressor's window.
    pub(crate) window: u64,
    /// The whole working memory, for errors.
    pub(crate) memory: u64,
}

/// An input that is being read.
pub(crate) struct Stream {
    input: Input,
    raw: Raw,
    format: Format,
    text: Text,
    memory: u64,
}

enum Format {
    Plain,
    Gzip(Box<Gzip>),
    Zstd(Box<Zstd>),
}

/// Identifies a text. The gzip members' own sums stand for theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) file_bytes: u64,
    pub(crate) text_bytes: u64,
    sum: u64,
}

/// The text that was handed out.
#[derive(Debug, Default)]
struct Text {
    bytes: u64,
    crc: Crc,
}

impl Stream {
    pub(crate) fn open(input: &Input, stream_options: &StreamOptions) -> Result<Stream, ScanError> {
        let reader = input.open().map_err(|cause| input.unreadable(cause))?;
        let mut stream = Stream {
            input: input.clone(),
            raw: Raw::new(reader, input.size().0.is_none(), stream_options),
            format: Format::Plain,
            text: Text::default(),
            memory: stream_options.memory,
        };
        let head = stream
            .raw
            .look(SNIFF_BYTES)
            .map_err(|cause| input.unreadable(cause))?;
        let format = format(head, input.is_called_compressed(), stream_options.window);
        stream.format = format.map_err(|fault| stream.error(fault))?;
        Ok(stream)
    }

    /// The next bytes of the text; 0 at its end.
    pub(crate) fn read(&mut self, text: &mut [u8]) -> Result<usize, ScanError> {
        let read = match &mut self.format {
            Format::Plain => self.raw.read(text).map_err(SourceError::from),
            Format::Gzip(gzip) => gzip.read(&mut self.raw, text),
            Format::Zstd(zstd) => zstd.read(&mut self.raw, text),
        };
        let read = read.map_err(|fault| self.error(fault))?;
        self.text.bytes += read as u64;
        if !matches!(self.format, Format::Gzip(_)) {
            self.text.crc.update(text.get(..read).unwrap_or_default());
        }
        Ok(read)
    }

    /// Bytes of the input that were read so far.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.raw.read_bytes()
    }

    /// Memory beside the buffers, bytes: the window of the decompressor.
    pub(crate) fn window(&self) -> u64 {
        match &self.format {
            Format::Zstd(zstd) => zstd.window(),
            _ => 0,
        }
    }

    /// At the end: what was read.
    pub(crate) fn identity(&self) -> Identity {
        Identity {
            file_bytes: self.raw.read_bytes(),
            text_bytes: self.text.bytes,
            sum: match &self.format {
                Format::Gzip(gzip) => gzip.sum(),
                _ => u64::from(self.text.crc.sum()),
            },
        }
    }

    /// At the end: SHA-256 of the input, if that was asked for.
    pub(crate) fn sha256(&mut self) -> Option<[u8; 32]> {
        self.raw.sha256()
    }

    fn error(&self, fault: SourceError) -> ScanError {
        let file = self.input.name();
        match fault {
            SourceError::Unreadable(cause) => ScanError::Unreadable { file, cause },
            SourceError::Damaged(reason) => ScanError::Damaged {
                file,
                offset: self.raw.offset(),
                reason,
            },
            SourceError::Window(window) => ScanError::Window {
                file,
                window,
                memory: self.memory,
            },
        }
    }
}

/// Appends the text of an input to `text`, decompressed as for a scan: at most one byte more than
/// `most`. `window` is the most bytes that a decompressor may remember.
///
/// # Errors
/// [`ScanError`]; `text` has what came before.
pub fn unpack(input: &Input, window: u64, most: u64, text: &mut Vec<u8>) -> Result<(), ScanError> {
    let stream_options = StreamOptions {
        progress: Arc::default(),
        sha256: false,
        buffer: READ_BUFFER,
        window,
        memory: window,
    };
    let mut stream = Stream::open(input, &stream_options)?;
    let mut piece = vec![0; READ_BUFFER];
    while text.len() as u64 <= most {
        let read = stream.read(&mut piece)?;
        if read == 0 {
            break;
        }
        text.extend(piece.iter().take(read));
    }
    Ok(())
}

/// A name is no proof: text may be called `.gz`. But what is called so and is neither compressed
/// nor text is damaged.
fn format(head: &[u8], called_compressed: bool, window: u64) -> Result<Format, SourceError> {
    if Gzip::begins(head) {
        return Ok(Format::Gzip(Box::default()));
    }
    if Zstd::begins(head) {
        return Ok(Format::Zstd(Box::new(Zstd::new(window)?)));
    }
    let is_control = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\n' | b'\r' | b'\t');
    if called_compressed && head.is_empty() {
        return Err(SourceError::damaged("empty, neither gzip nor zstd"));
    }
    if called_compressed && (head.iter().any(is_control) || !is_utf8_but_cut(head)) {
        return Err(SourceError::damaged("neither gzip, zstd nor text"));
    }
    Ok(Format::Plain)
}

fn is_utf8_but_cut(text: &[u8]) -> bool {
    std::str::from_utf8(text).map_or_else(|error| error.error_len().is_none(), |_| true)
}
