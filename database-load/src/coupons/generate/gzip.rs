//! Writes a gzip file on all cores.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

const LEVEL: u32 = 6;
/// Magic, deflate, no flags, no time, no extra flags, Unix.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];

/// How a file is divided and who works on it.
pub(super) struct Plan<'a> {
    pub(super) pieces: u64,
    pub(super) one_member: bool,
    pub(super) threads: usize,
    pub(super) interrupt: &'a AtomicBool,
}

/// Everything that belongs to a place in the file: one thread at a time, in the order of the pieces.
struct Ordered<W> {
    next: u64,
    failed: bool,
    file: W,
    sum: Crc,
    text_bytes: u64,
}

/// Compresses the pieces that `text` makes and writes them in order; returns how many bytes of text there were.
///
/// Pieces of one member are deflated independently, each up to a byte boundary, as pigz does. No more pieces than threads
/// are in memory.
///
/// # Errors
/// Those of the file; `Interrupted` when the plan's `interrupt` was set.
pub(super) fn write<W: Write + Send>(
    file: W,
    plan: &Plan<'_>,
    text: impl Fn(u64, &mut Vec<u8>) + Sync,
) -> io::Result<u64> {
    let (next, turn) = (AtomicU64::new(0), Condvar::new());
    let ordered = Mutex::new(Ordered {
        next: 0,
        failed: false,
        file,
        sum: Crc::new(),
        text_bytes: 0,
    });
    let work = || {
        let result = pieces(plan, &next, &ordered, &turn, &text);
        if result.is_err() {
            lock(&ordered).failed = true;
            turn.notify_all();
        }
        result
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..plan.threads).map(|_| scope.spawn(work)).collect();
        let ended = workers.into_iter().map(|worker| {
            worker
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("a thread died")))
        });
        ended.fold(Ok(()), io::Result::and)
    })?;
    let mut ordered = ordered.into_inner().unwrap_or_else(PoisonError::into_inner);
    if plan.one_member {
        ordered.end_member()?;
    }
    ordered.file.flush()?;
    Ok(ordered.text_bytes)
}

/// What one thread does: the next piece nobody has taken, until there is none.
fn pieces<W: Write>(
    plan: &Plan<'_>,
    next: &AtomicU64,
    ordered: &Mutex<Ordered<W>>,
    turn: &Condvar,
    text: &(impl Fn(u64, &mut Vec<u8>) + Sync),
) -> io::Result<()> {
    let (mut plain, mut packed) = (Vec::new(), Vec::new());
    let mut deflate = Compress::new(Compression::new(LEVEL), false);
    loop {
        let piece = next.fetch_add(1, Ordering::Relaxed);
        if piece >= plan.pieces {
            return Ok(());
        }
        plain.clear();
        text(piece, &mut plain);
        let mut sum = Crc::new();
        sum.update(&plain);
        let is_last = !plan.one_member || piece + 1 == plan.pieces;
        packed.clear();
        deflate.reset();
        compress(&mut deflate, &plain, is_last, &mut packed)?;
        let mut ordered = lock(ordered);
        while ordered.next != piece && !ordered.failed {
            ordered = turn.wait(ordered).unwrap_or_else(PoisonError::into_inner);
        }
        if ordered.failed {
            return Ok(());
        }
        if plan.interrupt.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if piece == 0 || !plan.one_member {
            ordered.file.write_all(&HEADER)?;
        }
        ordered.file.write_all(&packed)?;
        ordered.sum.combine(&sum);
        ordered.text_bytes += plain.len() as u64;
        ordered.next += 1;
        if !plan.one_member {
            ordered.end_member()?;
        }
        drop(ordered);
        turn.notify_all();
    }
}

impl<W: Write> Ordered<W> {
    fn end_member(&mut self) -> io::Result<()> {
        self.file.write_all(&self.sum.sum().to_le_bytes())?;
        // Modulo 2^32, as the format has it.
        self.file.write_all(&self.sum.amount().to_le_bytes())?;
        self.sum.reset();
        Ok(())
    }
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

fn lock<W>(ordered: &Mutex<Ordered<W>>) -> MutexGuard<'_, Ordered<W>> {
    ordered.lock().unwrap_or_else(PoisonError::into_inner)
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
        let write = |file: &mut (dyn Write + Send), interrupt: bool| {
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
