//! The result of one thread that joins partitions.

/// Numbers and bytes in a piece of what was found: a list that doubled would need room for three
/// times its content.
pub(crate) const PIECE: usize = 64 << 10;

/// The codes that one thread found, in no order.
#[derive(Debug, Default)]
pub(crate) struct JoinResult {
    /// Valid codes: see [`sortable`](crate::pack::sortable).
    pub(crate) packed: Vec<Vec<u64>>,
    /// Valid codes of other characters, each after its length.
    pub(crate) texts: Vec<Vec<u8>>,
    /// Different codes.
    pub(crate) distinct: u64,
    /// Codes that had stood in the same file before.
    pub(crate) repeats: u64,
}

impl JoinResult {
    pub(crate) fn add(&mut self, code: u64) {
        match self.packed.last_mut() {
            Some(piece) if piece.len() < PIECE => piece.push(code),
            _ => self.packed.push(vec![code]),
        }
    }

    pub(crate) fn add_text(&mut self, record: &[u8]) {
        match self.texts.last_mut() {
            Some(piece) if piece.len() + record.len() <= PIECE => piece.extend_from_slice(record),
            _ => self.texts.push(record.to_vec()),
        }
    }
}
