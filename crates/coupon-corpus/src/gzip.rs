//! Writes a gzip file piece by piece.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;

/// How a file is divided.
pub(super) struct Plan<'a> {
    pub(super) pieces: u64,
    /// One gzip member, else one for each piece.
    pub(super) one_member: bool,
    pub(super) interrupt: &'a AtomicBool,
}

/// Compresses the pieces that `text` makes, one after the other; returns the bytes of text.
///
/// # Errors
/// Those of the file; `Interrupted` when the plan's `interrupt` was set.
pub(super) fn write(
    file: &mut dyn Write,
    plan: &Plan<'_>,
    text: impl Fn(u64, &mut Vec<u8>),
) -> io::Result<u64> {
    let mut member = GzEncoder::new(file, Compression::default());
    let (mut plain, mut text_bytes) = (Vec::new(), 0);
    for piece in 0..plan.pieces {
        if plan.interrupt.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if piece > 0 && !plan.one_member {
            member = GzEncoder::new(member.finish()?, Compression::default());
        }
        plain.clear();
        text(piece, &mut plain);
        member.write_all(&plain)?;
        text_bytes += plain.len() as u64;
    }
    member.finish()?.flush()?;
    Ok(text_bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::{GzDecoder, MultiGzDecoder};

    use super::*;

    fn text(piece: u64, text: &mut Vec<u8>) {
        for line in 0..1000 {
            text.extend_from_slice(format!("{}\n", piece * 7919 + line * 104_729).as_bytes());
        }
    }

    fn written(one_member: bool, pieces: u64) -> Vec<u8> {
        let plan = Plan {
            pieces,
            one_member,
            interrupt: &AtomicBool::new(false),
        };
        let mut file = Vec::new();
        write(&mut file, &plan, text).unwrap();
        file
    }

    #[test]
    fn what_is_unpacked_is_what_was_written() {
        let mut plain = Vec::new();
        (0..9).for_each(|piece| text(piece, &mut plain));
        let mut unpacked = Vec::new();

        GzDecoder::new(written(true, 9).as_slice())
            .read_to_end(&mut unpacked)
            .unwrap();
        assert_eq!(unpacked, plain);

        let several = written(false, 9);
        unpacked.clear();
        MultiGzDecoder::new(several.as_slice())
            .read_to_end(&mut unpacked)
            .unwrap();
        assert_eq!(unpacked, plain);
        // The first member alone is the first piece.
        unpacked.clear();
        GzDecoder::new(several.as_slice())
            .read_to_end(&mut unpacked)
            .unwrap();
        assert_eq!(unpacked.len() % plain.len(), unpacked.len());
    }

    #[test]
    fn a_full_disk_and_an_interrupt_end_it() {
        let write = |file: &mut dyn Write, interrupt: bool| {
            let plan = Plan {
                pieces: 20,
                one_member: true,
                interrupt: &AtomicBool::new(interrupt),
            };
            write(file, &plan, text).unwrap_err().kind()
        };
        let mut full = std::fs::File::options().write(true).open("/dev/full").unwrap();

        assert_eq!(write(&mut full, false), io::ErrorKind::StorageFull);
        assert_eq!(write(&mut io::sink(), true), io::ErrorKind::Interrupted);
    }
}
