//! Ways in which a file may be compressed.

use std::io::Write as _;

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Plain,
    Gzip,
    /// A header with everything that may stand in it.
    LongGzip,
    /// Of several members, one of them empty.
    GzipMembers,
    Zstd,
    /// Of several frames, some of which hold no data.
    ZstdFrames,
}

pub(crate) fn kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![
        Kind::Plain,
        Kind::Gzip,
        Kind::LongGzip,
        Kind::GzipMembers,
        Kind::Zstd,
        Kind::ZstdFrames,
    ])
}

pub(crate) fn compress(text: &[u8], kind: Kind) -> Vec<u8> {
    let third = text.len() / 3 + 1;
    match kind {
        Kind::Plain => text.to_vec(),
        Kind::Gzip => gzip(text),
        Kind::LongGzip => {
            let builder = GzBuilder::new()
                .mtime(1)
                .extra(*b"\x01\x02\x00\x00")
                .filename("codes")
                .comment("all");
            let mut encoder = builder.write(Vec::new(), Compression::new(9));
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        }
        Kind::GzipMembers => {
            let mut members: Vec<Vec<u8>> = text.chunks(third).map(gzip).collect();
            members.insert(0, gzip(b""));
            members.concat()
        }
        Kind::Zstd => zstd(text),
        Kind::ZstdFrames => {
            let skipped = b"\x5a\x2a\x4d\x18\x03\x00\x00\x00xyz".to_vec();
            let mut frames = vec![skipped.clone()];
            frames.extend(text.chunks(third).map(zstd));
            frames.push(skipped);
            frames.concat()
        }
    }
}

pub(crate) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// With a sum over the content, and little to remember: the scans have little memory.
pub(crate) fn zstd(text: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.window_log(10).unwrap();
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}
