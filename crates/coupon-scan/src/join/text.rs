//! The join of partitions of text codes.

use std::collections::HashMap;

use super::table::{Full, Put};
use super::{Join, JoinResult, Joiner, Part};
use crate::store::records;

/// The size of an entry of the table beside its text, bytes: hash, pointer, length, files, and what
/// the allocator adds.
const ENTRY: usize = 64;

/// Joins partitions of texts.
pub(super) struct TextJoin {
    /// The files in which each text stands, one bit for each.
    files: HashMap<Box<[u8]>, u64>,
    most: usize,
    /// Of the current part, each after its length.
    valid: Vec<u8>,
    repeats: u64,
}

impl TextJoin {
    pub(super) fn new(join: &Join<'_>) -> TextJoin {
        TextJoin {
            files: HashMap::new(),
            most: (join.memory / 2 / ENTRY).max(16),
            valid: Vec::new(),
            repeats: 0,
        }
    }

    fn put(&mut self, min_files: u32, record: &[u8], file: usize, inserts: bool) -> Result<(), Full> {
        let is_full = self.files.len() >= self.most;
        let put = match self.files.get_mut(record) {
            Some(files) if *files & 1 << file != 0 => Put::Again,
            Some(files) => {
                *files |= 1 << file;
                Put::Now(files.count_ones())
            }
            None if !inserts => Put::Absent,
            None if is_full => return Err(Full),
            None => {
                self.files.insert(record.into(), 1 << file);
                Put::Now(1)
            }
        };
        match put {
            Put::Now(count) if count == min_files => self.valid.extend_from_slice(record),
            Put::Again => self.repeats += 1,
            Put::Now(_) | Put::Absent => (),
        }
        Ok(())
    }
}

fn is_in(part: Part, join: &Join<'_>, record: &[u8]) -> bool {
    let bits = join.layout.rest_bits;
    let rest = |text| join.seed.hash(text) & (u64::MAX >> (u64::BITS - bits));
    part.bits == 0
        || record
            .get(1..)
            .is_some_and(|text| part.contains(rest(text), bits))
}

impl Joiner for TextJoin {
    fn clear(&mut self) {
        self.files.clear();
        self.valid.clear();
        self.repeats = 0;
    }

    fn take(
        &mut self,
        join: &Join<'_>,
        codes: &[u8],
        file: usize,
        part: Part,
        inserts: bool,
    ) -> Result<usize, Full> {
        let mut taken = 0;
        for record in records(codes) {
            taken += record.len();
            if is_in(part, join, record) {
                self.put(join.min_files, record, file, inserts)?;
            }
        }
        Ok(taken)
    }

    fn add_to(&self, found: &mut JoinResult, _: &Join<'_>, _: usize) {
        found.distinct += self.files.len() as u64;
        found.repeats += self.repeats;
        records(&self.valid).for_each(|record| found.add_text(record));
    }
}
