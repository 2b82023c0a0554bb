//! The join of partitions of packed codes.

use super::table::{Entry, Full, Put, Table};
use super::{Join, JoinResult, Joiner, Part};
use crate::pack::sortable;

/// Joins partitions of packed codes.
pub(super) struct PackedJoin<E> {
    table: Table<E>,
    /// Of the current part: it may have to be joined once more.
    valid: Vec<u64>,
    repeats: u64,
}

impl<E: Entry> PackedJoin<E> {
    pub(super) fn new(join: &Join<'_>) -> PackedJoin<E> {
        PackedJoin {
            table: Table::new(join.memory / 2, join.groups.len() as u32),
            valid: Vec::new(),
            repeats: 0,
        }
    }

    fn put_all<const WIDTH: usize>(
        &mut self,
        join: &Join<'_>,
        codes: &[u8],
        file: u32,
        part: Part,
        inserts: bool,
    ) -> Result<(), Full> {
        let (codes, _) = codes.as_chunks::<WIDTH>();
        for bytes in codes {
            let code = number(bytes);
            if !part.contains(code, join.layout.rest_bits) {
                continue;
            }
            let put = match inserts {
                true => self.table.insert(code, file)?,
                false => self.table.note(code, file),
            };
            match put {
                Put::Now(count) if count == join.min_files => self.valid.push(code),
                Put::Again => self.repeats += 1,
                Put::Now(_) | Put::Absent => (),
            }
        }
        Ok(())
    }
}

impl<E: Entry> Joiner for PackedJoin<E> {
    fn clear(&mut self) {
        self.table.clear();
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
        let file = file as u32;
        match join.layout.width {
            4 => self.put_all::<4>(join, codes, file, part, inserts)?,
            5 => self.put_all::<5>(join, codes, file, part, inserts)?,
            _ => self.put_all::<6>(join, codes, file, part, inserts)?,
        }
        Ok(codes.len() / join.layout.width * join.layout.width)
    }

    fn add_to(&self, found: &mut JoinResult, join: &Join<'_>, partition: usize) {
        found.distinct += self.table.used() as u64;
        found.repeats += self.repeats;
        for code in &self.valid {
            found.add(sortable(join.kind, join.layout.code(partition, *code)));
        }
    }
}

#[inline]
fn number<const WIDTH: usize>(bytes: &[u8; WIDTH]) -> u64 {
    let mut all = [0; 8];
    for (to, from) in all.iter_mut().zip(bytes) {
        *to = *from;
    }
    u64::from_le_bytes(all)
}
