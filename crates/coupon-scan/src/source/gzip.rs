//! Gzip decompression that checks every member strictly.

use std::io;

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::SourceError;
use super::raw::Raw;

const MAGIC: [u8; 2] = [0x1f, 0x8b];
const DEFLATE: u8 = 8;
const HEADER_CRC: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0xe0;

/// Gzip of any number of members (RFC 1952), strictly: each header, sum and size is checked, and
/// nothing follows the last member but zeros, with which tapes and blocks are filled up.
pub(super) struct Gzip {
    inflate: Decompress,
    inside: bool,
    members: u64,
    crc: Crc,
    /// Over the members' sums and sizes.
    sums: Crc,
}

impl Default for Gzip {
    fn default() -> Gzip {
        Gzip {
            inflate: Decompress::new(false),
            inside: false,
            members: 0,
            crc: Crc::new(),
            sums: Crc::new(),
        }
    }
}

impl Gzip {
    /// Whether this is a gzip file, or the only byte of one that was cut off.
    pub(super) fn begins(head: &[u8]) -> bool {
        match *head {
            [first, second, ..] => [first, second] == MAGIC,
            [first] => first == MAGIC[0],
            [] => false,
        }
    }

    pub(super) fn read(&mut self, raw: &mut Raw, text: &mut [u8]) -> Result<usize, SourceError> {
        loop {
            if !self.inside {
                if self.members > 0 && is_over(raw)? {
                    return Ok(0);
                }
                header(raw, self.members > 0)?;
                self.inside = true;
            }
            let compressed = raw.fill()?;
            let nothing = compressed.is_empty();
            let (taken, given) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self.inflate.decompress(compressed, text, FlushDecompress::None);
            let taken = (self.inflate.total_in() - taken) as usize;
            let given = (self.inflate.total_out() - given) as usize;
            raw.take(taken);
            let status = status.map_err(|error| SourceError::damaged(error.to_string()))?;
            self.crc.update(text.get(..given).unwrap_or_default());
            match status {
                Status::StreamEnd => self.end(raw)?,
                Status::Ok | Status::BufError if taken + given > 0 => (),
                _ if nothing => return Err(SourceError::cut_off()),
                _ => return Err(SourceError::damaged("deflate data lead nowhere")),
            }
            if given > 0 {
                return Ok(given);
            }
        }
    }

    fn end(&mut self, raw: &mut Raw) -> Result<(), SourceError> {
        let at = raw.offset();
        let [sum, size] = [number(raw)?, number(raw)?];
        // What is wrong is the member that ends here, not the next one.
        let wrong =
            |what| SourceError::damaged(format!("{what} of the member that ends at byte {at} is wrong"));
        if sum != self.crc.sum() {
            return Err(wrong("the CRC"));
        }
        if size != self.crc.amount() {
            return Err(wrong("the size"));
        }
        self.sums.update(&sum.to_le_bytes());
        self.sums.update(&size.to_le_bytes());
        self.crc.reset();
        self.inflate.reset(false);
        self.members += 1;
        self.inside = false;
        Ok(())
    }

    /// Stands for the sums and sizes of all members.
    pub(super) fn sum(&self) -> u64 {
        u64::from(self.sums.sum())
    }
}

/// Whether nothing but zeros follows a member.
fn is_over(raw: &mut Raw) -> Result<bool, SourceError> {
    let is_padded = raw.fill()?.first() == Some(&0);
    loop {
        let rest = raw.fill()?;
        let zeros = rest.iter().take_while(|byte| **byte == 0).count();
        match rest.len() {
            0 => return Ok(true),
            length if zeros == length => raw.take(zeros),
            _ if is_padded => return Err(SourceError::trailing()),
            _ => return Ok(false),
        }
    }
}

/// Takes in the header of a member.
fn header(raw: &mut Raw, further: bool) -> Result<(), SourceError> {
    let not_gzip = || match further {
        true => SourceError::trailing(),
        false => SourceError::damaged("not gzip"),
    };
    let mut header = Header { raw, crc: Crc::new() };
    for expected in MAGIC {
        // Peek: the offset of garbage is that of its first byte.
        match header.raw.fill()?.first() {
            Some(byte) if *byte == expected => header.byte()?,
            Some(_) => return Err(not_gzip()),
            None => return Err(SourceError::cut_off()),
        };
    }
    let [method, flags] = [header.byte()?, header.byte()?];
    if method != DEFLATE || flags & RESERVED != 0 {
        return Err(SourceError::damaged("a gzip header of an unknown kind"));
    }
    // Time, level, system.
    header.skip(6)?;
    if flags & EXTRA != 0 {
        let length = u16::from_le_bytes([header.byte()?, header.byte()?]);
        header.skip(length)?;
    }
    for text in [NAME, COMMENT] {
        while flags & text != 0 && header.byte()? != 0 {}
    }
    let sum = header.crc.sum() as u16;
    if flags & HEADER_CRC != 0 && u16::from_le_bytes([header.byte()?, header.byte()?]) != sum {
        return Err(SourceError::damaged("the CRC of a gzip header is wrong"));
    }
    Ok(())
}

struct Header<'a> {
    raw: &'a mut Raw,
    crc: Crc,
}

impl Header<'_> {
    fn byte(&mut self) -> Result<u8, SourceError> {
        let byte = self.raw.take_byte()?.ok_or_else(SourceError::cut_off)?;
        self.crc.update(&[byte]);
        Ok(byte)
    }

    fn skip(&mut self, bytes: u16) -> Result<(), SourceError> {
        (0..bytes).try_for_each(|_| self.byte().map(drop))
    }
}

fn number(raw: &mut Raw) -> Result<u32, SourceError> {
    let mut byte = || -> Result<u8, SourceError> {
        let byte: io::Result<Option<u8>> = raw.take_byte();
        byte?.ok_or_else(SourceError::cut_off)
    };
    Ok(u32::from_le_bytes([byte()?, byte()?, byte()?, byte()?]))
}
