use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::lines::{Line, Splitter};
use crate::{Counts, Input, Report, ScanError};

/// Every code met so far and the files it stands in, one bit each.
#[derive(Default)]
pub(crate) struct Codes {
    files: HashMap<Box<[u8]>, u64>,
    counts: Counts,
}

impl Codes {
    /// Reads the file with this number, 0 to 63.
    pub(crate) fn read_file(
        &mut self,
        number: u32,
        input: &Input,
        interrupt: &AtomicBool,
    ) -> Result<(), ScanError> {
        let file = 1u64 << number;
        let mut splitter = Splitter::new();
        input.read(|piece| {
            if interrupt.load(Ordering::Relaxed) {
                return Err(ScanError::Interrupted);
            }
            self.counts.text_bytes += piece.len() as u64;
            splitter.push(piece, |line| self.take(file, line));
            Ok(())
        })?;
        splitter.finish(|line| self.take(file, line));
        Ok(())
    }

    fn take(&mut self, file: u64, line: Line<'_>) {
        self.counts.lines += 1;
        match line {
            Line::OutOfRange => (),
            Line::NotUtf8 => self.counts.not_utf8 += 1,
            Line::Code(code) => {
                self.counts.in_range += 1;
                match self.files.get_mut(code) {
                    Some(files) => {
                        self.counts.repeats += u64::from(*files & file != 0);
                        *files |= file;
                    }
                    None => {
                        self.files.insert(code.into(), file);
                    }
                }
            }
        }
    }

    pub(crate) fn report(self, min_files: usize) -> Report {
        let distinct = self.files.len() as u64;
        let mut codes: Vec<String> = self
            .files
            .into_iter()
            .filter(|(_, files)| files.count_ones() as usize >= min_files)
            // Codes were checked to be UTF-8 when they were read.
            .filter_map(|(code, _)| String::from_utf8(code.into_vec()).ok())
            .collect();
        codes.sort_unstable();
        Report {
            codes,
            counts: Counts {
                distinct,
                ..self.counts
            },
        }
    }
}
