//! Decompression while reading: gzip and zstd, told apart by content, of any number of members or
//! frames.

use std::io::{self, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use zstd::stream::read::Decoder;

const BUFFER: usize = 128 << 10;
/// Logarithm of how many bytes of its text a zstd frame may ask us to keep: what `zstd --long=27`
/// needs, 128 MiB.
const MAX_WINDOW_LOG: u32 = 27;

/// What a file is packed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    Zstd,
}

impl Packing {
    /// Judged by the first four bytes.
    pub(super) fn of(first: &[u8]) -> Option<Packing> {
        match first {
            [0x1f, 0x8b, ..] => Some(Packing::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Packing::Zstd),
            _ => None,
        }
    }
}

/// The text of what `raw` holds, and how it is packed.
///
/// # Errors
/// Those of `raw`. Reading the text fails with `InvalidData` when the packing is damaged.
pub(super) fn unpacked<'a>(
    mut raw: impl Read + Send + 'a,
) -> io::Result<(Box<dyn Read + Send + 'a>, Option<Packing>)> {
    let mut first = Vec::with_capacity(4);
    raw.by_ref().take(4).read_to_end(&mut first)?;
    let packing = Packing::of(&first);
    let raw = BufReader::with_capacity(BUFFER, Cursor::new(first).chain(raw));
    Ok((
        match packing {
            None => Box::new(raw),
            Some(Packing::Gzip) => Box::new(Unpacking {
                reader: MultiGzDecoder::new(raw),
                packing: "gzip",
            }),
            Some(Packing::Zstd) => {
                let mut reader = Decoder::with_buffer(raw)?;
                reader.window_log_max(MAX_WINDOW_LOG)?;
                Box::new(Unpacking {
                    reader,
                    packing: "zstd",
                })
            }
        },
        packing,
    ))
}

/// Makes everything that is wrong with the packing `InvalidData`; errors of the disk stay what they
/// are.
struct Unpacking<R> {
    reader: R,
    packing: &'static str,
}

impl<R: Read> Read for Unpacking<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let packing = self.packing;
        self.reader.read(buffer).map_err(|error| {
            let reason = match (error.raw_os_error(), error.kind()) {
                (Some(_), _) | (None, io::ErrorKind::Interrupted) => return error,
                (None, io::ErrorKind::UnexpectedEof) => format!("the {packing} data are cut off"),
                (None, _) => format!("the {packing} data are damaged: {error}"),
            };
            io::Error::new(io::ErrorKind::InvalidData, reason)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
        encoder.include_checksum(true).unwrap();
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn text(packed: &[u8]) -> io::Result<(Vec<u8>, Option<Packing>)> {
        let (mut reader, packing) = unpacked(packed)?;
        let mut text = Vec::new();
        reader.read_to_end(&mut text)?;
        Ok((text, packing))
    }

    #[test]
    fn content_tells_how_it_is_packed_also_several_times_over() {
        let long = b"id,name\n".repeat(50_000);
        let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        for (packed, packing) in [
            (long.clone(), None),
            (gzip(&long), Some(Packing::Gzip)),
            (
                [gzip(&long[..9]), gzip(b""), gzip(&long[9..])].concat(),
                Some(Packing::Gzip),
            ),
            (zstd(&long), Some(Packing::Zstd)),
            (
                [skipped.clone(), zstd(&long[..9]), skipped, zstd(&long[9..])].concat(),
                Some(Packing::Zstd),
            ),
        ] {
            assert_eq!(text(&packed).unwrap(), (long.clone(), packing));
        }
        for tiny in [&b""[..], b"i", b"\x1f", b"\x28\xb5\x2f"] {
            assert_eq!(text(tiny).unwrap(), (tiny.to_vec(), None));
        }
    }

    #[test]
    fn what_is_damaged_anywhere_says_so_and_never_panics() {
        let long: Vec<u8> = (0..20_000)
            .flat_map(|number: u32| number.to_string().into_bytes())
            .collect();
        for packed in [gzip(&long), zstd(&long)] {
            for cut in [5, packed.len() / 2, packed.len() - 1] {
                let error = text(&packed[..cut]).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
            }
            for place in (4..packed.len()).step_by(97) {
                let mut other = packed.clone();
                other[place] ^= 0x55;
                // Bytes without meaning (a gzip file's time) may change; the text may not.
                match text(&other) {
                    Ok((read, _)) => assert_eq!(read, long, "{place}"),
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{place}: {error}"),
                }
            }
        }
    }
}
