//! A hash table from codes to the files that hold them.

/// A code and the files it stands in, in one number: the files are its lowest bits. Zero is no
/// entry, since a code stands in some file.
pub(super) trait Entry: Copy + Default + PartialEq + Send {
    /// `files` is how many bits the files take.
    fn new(code: u64, file: u32, files: u32) -> Self;
    fn code(self, files: u32) -> u64;
    /// Adds the files of an entry of the same code; answers whether they were there already.
    fn add(&mut self, other: Self) -> bool;
    fn count(self, files: u32) -> u32;
}

macro_rules! entry {
    ($number:ty) => {
        impl Entry for $number {
            #[inline]
            fn new(code: u64, file: u32, files: u32) -> Self {
                <$number>::from(code) << files | 1 << file
            }

            #[inline]
            fn code(self, files: u32) -> u64 {
                (self >> files) as u64
            }

            #[inline]
            fn add(&mut self, other: Self) -> bool {
                let before = *self;
                *self |= other;
                before == *self
            }

            #[inline]
            fn count(self, files: u32) -> u32 {
                (self & ((1 << files) - 1)).count_ones()
            }
        }
    };
}

// Up to 24 files fit beside the 40 bits that are stored of a code.
entry!(u64);
entry!(u128);

/// The effect of an insertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// It is in so many files now.
    Now(u32),
    /// It was in that file already.
    Again,
    /// It is not in the table.
    Absent,
}

/// Codes met so far in a partition; grows up to a limit.
pub(super) struct Table<E> {
    slots: Vec<E>,
    used: usize,
    most_slots: usize,
    files: u32,
}

/// There are more codes than the table may hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

const MIN_SLOTS: usize = 64;

impl<E: Entry> Table<E> {
    /// `bytes` is how much memory it may take, but for 64 slots.
    pub(super) fn new(bytes: usize, files: u32) -> Table<E> {
        let slots = (bytes / size_of::<E>()).max(MIN_SLOTS);
        Table {
            slots: vec![E::default(); MIN_SLOTS],
            used: 0,
            most_slots: 1 << slots.ilog2(),
            files,
        }
    }

    pub(super) fn used(&self) -> usize {
        self.used
    }

    pub(super) fn clear(&mut self) {
        if self.used > 0 {
            self.slots.fill(E::default());
            self.used = 0;
        }
    }

    #[inline]
    pub(super) fn insert(&mut self, code: u64, file: u32) -> Result<Put, Full> {
        let put = self.note(code, file);
        if put != Put::Absent {
            return Ok(put);
        }
        self.place(E::new(code, file, self.files), code);
        self.used += 1;
        // Two thirds: longer chains cost more than the memory does.
        if self.used > self.slots.len() / 3 * 2 {
            self.grow()?;
        }
        Ok(Put::Now(1))
    }

    /// As [`Table::insert`], but only for codes that are in the table.
    #[inline]
    pub(super) fn note(&mut self, code: u64, file: u32) -> Put {
        let at = self.find(code);
        match self.slots.get_mut(at) {
            Some(slot) if *slot != E::default() => match slot.add(E::new(code, file, self.files)) {
                true => Put::Again,
                false => Put::Now(slot.count(self.files)),
            },
            _ => Put::Absent,
        }
    }

    #[cold]
    fn grow(&mut self) -> Result<(), Full> {
        if self.slots.len() >= self.most_slots {
            return Err(Full);
        }
        let slots = vec![E::default(); self.slots.len() * 2];
        for entry in std::mem::replace(&mut self.slots, slots) {
            if entry != E::default() {
                self.place(entry, entry.code(self.files));
            }
        }
        Ok(())
    }

    #[inline]
    fn place(&mut self, entry: E, code: u64) {
        let at = self.find(code);
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = entry;
        }
    }

    /// The slot of a code, or the free one where it would go. Codes are scrambled: their lowest
    /// bits are as good as a hash.
    #[inline]
    fn find(&self, code: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = code as usize & mask;
        while let Some(entry) = self.slots.get(at)
            && *entry != E::default()
            && entry.code(self.files) != code
        {
            at = (at + 1) & mask;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts<E: Entry>(files: u32) {
        let mut table = Table::<E>::new(1 << 20, files);
        for code in 0..1000 {
            assert_eq!(table.insert(code, 0), Ok(Put::Now(1)));
            assert_eq!(table.insert(code, 0), Ok(Put::Again));
            assert_eq!(table.insert(code, files - 1), Ok(Put::Now(2)));
        }
        assert_eq!(table.note(999, 1), Put::Now(3));
        assert_eq!(table.note(1000, 1), Put::Absent);
        assert_eq!(table.used(), 1000);
        table.clear();
        assert_eq!((table.used(), table.note(999, 1)), (0, Put::Absent));
    }

    #[test]
    fn a_code_counts_once_for_each_file() {
        counts::<u64>(3);
        counts::<u64>(24);
        counts::<u128>(64);
    }

    #[test]
    fn the_largest_codes_are_told_apart() {
        let mut table = Table::<u64>::new(0, 24);
        for code in [(1 << 40) - 1, (1 << 40) - 2, 1 << 39, 0] {
            assert_eq!(table.insert(code, 23), Ok(Put::Now(1)), "{code}");
        }
    }

    #[test]
    fn a_table_grows_up_to_its_limit() {
        let mut table = Table::<u64>::new(256 * 8, 3);
        let codes = (0..1000)
            .take_while(|code| table.insert(*code, 0).is_ok())
            .count();
        assert!((160..200).contains(&codes), "{codes}");
    }
}
