//! Writes a gzip file on all cores.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

const LEVEL: u32 = 6;
/// Magic, deflate, no flags, no time, no extra flags, Unix.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];

/// How a file is divided and how many threads compress it.
pub(super) struct Plan<'a> {
    pub(super) pieces: u64,
    pub(super) one_member: bool,
    pub(super) threads: usize,
    pub(super) interrupt: &'a AtomicBool,
}

/// A piece of the file, compressed.
struct Piece {
    packed: Vec<u8>,
    sum: Crc,
    text_bytes: u64,
}

/// Compresses the pieces that `text` makes and writes them in order; returns the bytes of text.
///
/// Pieces of one member are deflated independently, each up to a byte boundary, as pigz does.
/// Each thread compresses every n-th piece and hands it over before it begins the next one, so
/// memory holds at most one piece more than there are threads.
///
/// # Errors
/// Those of the file; `Interrupted` when the plan's `interrupt` was set.
pub(super) fn write<W: Write>(
    mut file: W,
    plan: &Plan<'_>,
    text: impl Fn(u64, &mut Vec<u8>) + Sync,
) -> io::Result<u64> {
    let text = &text;
    std::thread::scope(|scope| {
        let start = |first: usize| {
            let (sender, receiver) = mpsc::sync_channel(0);
            scope.spawn(move || {
                let mut deflate = Compress::new(Compression::new(LEVEL), false);
                let pieces = (first as u64..plan.pieces).step_by(plan.threads);
                let mut pieces = pieces.map(|number| piece(&mut deflate, plan, number, text));
                // After a failure nothing receives any more.
                while pieces.next().is_some_and(|piece| sender.send(piece).is_ok()) {}
            });
            receiver
        };
        let threads: Vec<Receiver<io::Result<Piece>>> = (0..plan.threads).map(start).collect();
        let (mut sum, mut text_bytes) = (Crc::new(), 0);
        for (number, thread) in (0..plan.pieces).zip(threads.iter().cycle()) {
            let piece = thread.recv().map_err(io::Error::other)??;
            if plan.interrupt.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            if number == 0 || !plan.one_member {
                file.write_all(&HEADER)?;
            }
            file.write_all(&piece.packed)?;
            sum.combine(&piece.sum);
            text_bytes += piece.text_bytes;
            if ends_member(plan, number) {
                file.write_all(&sum.sum().to_le_bytes())?;
                // Modulo 2^32, as the format has it.
                file.write_all(&sum.amount().to_le_bytes())?;
                sum.reset();
            }
        }
        file.flush()?;
        Ok(text_bytes)
    })
}

fn ends_member(plan: &Plan<'_>, number: u64) -> bool {
    !plan.one_member || number + 1 == plan.pieces
}

fn piece(
    deflate: &mut Compress,
    plan: &Plan<'_>,
    number: u64,
    text: impl Fn(u64, &mut Vec<u8>),
) -> io::Result<Piece> {
    let mut plain = Vec::new();
    text(number, &mut plain);
    let (mut sum, mut packed) = (Crc::new(), Vec::new());
    sum.update(&plain);
    deflate.reset();
    compress(deflate, &plain, ends_member(plan, number), &mut packed)?;
    Ok(Piece {
        packed,
        sum,
        text_bytes: plain.len() as u64,
    })
}

fn compress(deflate: &mut Compress, plain: &[u8], is_last: bool, packed: &mut Vec<u8>) -> io::Result<()> {
    let flush = if is_last {
        FlushCompress::Finish
    } else {
        FlushCompress::Sync
    };
    loop {
        packed.reserve(plain.len() / 2 + 1024);
        let rest = plain.get(deflate.total_in() as usize..).unwrap_or_default();
        let status = deflate
            .compress_vec(rest, packed, flush)
            .map_err(io::Error::other)?;
        let is_taken = deflate.total_in() == plain.len() as u64;
        // A flush is complete when it left room.
        if status == Status::StreamEnd || (!is_last && is_taken && packed.len() < packed.capacity()) {
            return Ok(());
        }
    }
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
            threads: 3,
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
    fn the_bytes_do_not_depend_on_the_threads() {
        assert_eq!(written(true, 5), written(true, 5));
    }

    #[test]
    fn a_full_disk_and_an_interrupt_end_it() {
        let write = |file: &mut dyn Write, interrupt: bool| {
            let plan = Plan {
                pieces: 20,
                one_member: true,
                threads: 2,
                interrupt: &AtomicBool::new(interrupt),
            };
            write(file, &plan, text).unwrap_err().kind()
        };
        let mut full = std::fs::File::options().write(true).open("/dev/full").unwrap();

        assert_eq!(write(&mut full, false), io::ErrorKind::StorageFull);
        assert_eq!(write(&mut io::sink(), true), io::ErrorKind::Interrupted);
    }
}
