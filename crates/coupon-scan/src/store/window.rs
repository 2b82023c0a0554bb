//! A read window over the partitions of an extent on disk.

use std::io;
use std::ops::Range;

use super::{Disk, Extent};

/// Reads partitions of an extent one after the other, several at a time.
#[derive(Default)]
pub(crate) struct Window {
    buffer: Vec<u8>,
    /// Where in the file the buffer's content lies.
    content: Range<u64>,
}

impl Window {
    /// Hands the codes of a partition to `take`, which answers how many bytes it can do with; the
    /// rest comes again with what follows it. `size` is that of the buffer, bytes, and larger than
    /// any code; `last` is the last partition that will be asked for.
    pub(crate) fn read(
        &mut self,
        disk: &Disk,
        extent: &Extent,
        partition: usize,
        last: usize,
        size: usize,
        take: &mut impl FnMut(&[u8]) -> usize,
    ) -> io::Result<()> {
        let mut codes = extent.part(partition..partition + 1);
        let end = extent.part(partition..last + 1).end;
        while !codes.is_empty() {
            let part = codes.start..codes.end.min(codes.start + size as u64);
            if part.start < self.content.start || part.end > self.content.end {
                let content = codes.start..end.min(codes.start + size as u64);
                self.content = 0..0;
                self.buffer.resize((content.end - content.start) as usize, 0);
                disk.read(&mut self.buffer, content.start)?;
                self.content = content;
            }
            let from = (part.start - self.content.start) as usize;
            let to = (part.end - self.content.start) as usize;
            match take(self.buffer.get(from..to).unwrap_or_default()) {
                0 => return Err(io::Error::from(io::ErrorKind::InvalidData)),
                taken => codes.start += taken as u64,
            }
        }
        Ok(())
    }
}
