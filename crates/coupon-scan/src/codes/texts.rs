//! A sorted list of codes of any characters.

use crate::store::records;

/// Codes of any characters, one after the other, each after its length; and where each one begins,
/// in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    bytes: Vec<u8>,
    starts: Vec<u32>,
}

impl Texts {
    /// Most bytes of a list: positions in it have 32 bits.
    pub(super) const MAX_BYTES: usize = 1 << 30;

    /// Texts that are to be sorted.
    pub(super) fn new(bytes: Vec<u8>) -> Texts {
        let starts = Vec::new();
        Texts { bytes, starts }
    }

    pub(super) fn sort(&mut self) {
        let mut starts = Vec::with_capacity(records(&self.bytes).count());
        let mut start = 0;
        for record in records(&self.bytes) {
            starts.push(start);
            start += record.len() as u32;
        }
        self.starts = starts;
        let bytes = &self.bytes;
        self.starts.sort_unstable_by_key(|start| text(bytes, *start));
    }

    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.starts.iter().map(|start| text(&self.bytes, *start))
    }
}

fn text(bytes: &[u8], start: u32) -> &[u8] {
    let start = start as usize;
    let length = bytes.get(start).copied().unwrap_or_default();
    bytes
        .get(start + 1..start + 1 + usize::from(length))
        .unwrap_or_default()
}
