use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;

use crate::{MAX_FILES, ScanError};

/// Bytes read from a file at once.
const READ_BUFFER: usize = 128 * 1024;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// How a file is opened: see [`Input::opened`].
type Open = Arc<dyn Fn() -> io::Result<Box<dyn Read>> + Send + Sync>;

/// One of the files of a scan.
#[derive(Clone)]
pub struct Input {
    path: PathBuf,
    source: Source,
}

#[derive(Clone)]
enum Source {
    File,
    Opened(Open),
    Content(Arc<[u8]>),
}

impl fmt::Debug for Input {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Input({})", self.path.display())
    }
}

impl Input {
    /// A file that is read while it is scanned.
    pub fn file(path: impl Into<PathBuf>) -> Input {
        Input {
            path: path.into(),
            source: Source::File,
        }
    }

    /// As [`Input::file`], read through what `open` returns, from the beginning to the end: whoever opens it sees every byte.
    pub fn opened(
        path: impl Into<PathBuf>,
        open: impl Fn() -> io::Result<Box<dyn Read>> + Send + Sync + 'static,
    ) -> Input {
        Input {
            path: path.into(),
            source: Source::Opened(Arc::new(open)),
        }
    }

    /// A file that has been read already; `path` names it in errors and tells whether two inputs are one file.
    pub fn content(path: impl Into<PathBuf>, content: Arc<[u8]>) -> Input {
        Input {
            path: path.into(),
            source: Source::Content(content),
        }
    }

    pub(crate) fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn unreadable(&self, cause: io::Error) -> ScanError {
        ScanError::Unreadable {
            file: self.name(),
            cause,
        }
    }

    /// Hands the text, decompressed if need be, to `take` in pieces that are never empty.
    pub(crate) fn read(&self, mut take: impl FnMut(&[u8]) -> Result<(), ScanError>) -> Result<(), ScanError> {
        let source: Box<dyn Read> = match &self.source {
            Source::Content(content) => Box::new(io::Cursor::new(Arc::clone(content))),
            Source::Opened(open) => open().map_err(|cause| self.unreadable(cause))?,
            Source::File => Box::new(File::open(&self.path).map_err(|cause| self.unreadable(cause))?),
        };
        let mut raw = Raw {
            reader: BufReader::with_capacity(READ_BUFFER, source),
            offset: 0,
            failed: false,
        };
        // A source may give one byte at a time: look at two.
        let first = raw.fill_buf().map_err(|cause| self.unreadable(cause))?;
        let compressed = match *first {
            [one, two, ..] => [one, two] == GZIP_MAGIC,
            [one] => one == GZIP_MAGIC[0],
            [] => false,
        };
        if !compressed
            && self
                .path
                .extension()
                .is_some_and(|extension| extension.eq_ignore_ascii_case("gz"))
        {
            return Err(ScanError::Damaged {
                file: self.name(),
                offset: 0,
                reason: if first.is_empty() {
                    "empty, not gzip"
                } else {
                    "not gzip"
                }
                .into(),
            });
        }
        if !compressed {
            return self.pieces(&mut raw, |raw| raw, &mut take);
        }
        let mut text = BufReader::with_capacity(READ_BUFFER, MultiGzDecoder::new(raw));
        self.pieces(&mut text, |text| text.get_mut().get_mut(), &mut take)
    }

    fn pieces<R: BufRead>(
        &self,
        text: &mut R,
        raw: impl Fn(&mut R) -> &mut Raw,
        take: &mut impl FnMut(&[u8]) -> Result<(), ScanError>,
    ) -> Result<(), ScanError> {
        loop {
            let length = match text.fill_buf() {
                Ok([]) => return Ok(()),
                Ok(piece) => {
                    take(piece)?;
                    piece.len()
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
                Err(cause) => {
                    let raw = raw(text);
                    return Err(match raw.failed {
                        true => self.unreadable(cause),
                        false => ScanError::Damaged {
                            file: self.name(),
                            offset: raw.offset,
                            reason: reason(&cause),
                        },
                    });
                }
            };
            text.consume(length);
        }
    }
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "the compressed data are cut off".into(),
        _ => error.to_string(),
    }
}

/// The file as it lies on disk; remembers how far it was taken in and whether reading it failed.
struct Raw {
    reader: BufReader<Box<dyn Read>>,
    offset: u64,
    failed: bool,
}

impl Read for Raw {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut available = self.fill_buf()?;
        let length = available.read(buffer)?;
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Raw {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let filled = self.reader.fill_buf();
        self.failed |= matches!(&filled, Err(error) if error.kind() != io::ErrorKind::Interrupted);
        filled
    }

    fn consume(&mut self, length: usize) {
        self.offset += length as u64;
        self.reader.consume(length);
    }
}

/// Refuses too few, too many and repeated files.
pub(crate) fn check(inputs: &[Input]) -> Result<(), ScanError> {
    if inputs.is_empty() || inputs.len() > MAX_FILES {
        return Err(ScanError::Files { files: inputs.len() });
    }
    let mut seen: Vec<(PathBuf, &Input)> = Vec::with_capacity(inputs.len());
    for input in inputs {
        let real = match std::fs::canonicalize(&input.path) {
            Ok(real) => real,
            // The content is at hand: the path is but a name.
            Err(_) if matches!(input.source, Source::Content(_)) => input.path.clone(),
            Err(cause) => return Err(input.unreadable(cause)),
        };
        if let Some((_, other)) = seen.iter().find(|(known, _)| *known == real) {
            return Err(ScanError::SameFile {
                file: input.name(),
                other: other.name(),
            });
        }
        seen.push((real, input));
    }
    Ok(())
}
