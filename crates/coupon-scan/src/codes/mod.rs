//! The answer: codes in their order, in little memory.

mod code;
mod texts;

use std::fmt;
use std::io::{self, Write};

pub use code::Code;
use texts::Texts;

use crate::join::{JoinResult, PIECE};

/// Most lists that are sorted at once, and merged whenever the codes are asked for.
const MAX_LISTS: usize = 8;

/// Valid codes, each once, sorted by their bytes. Packed: 8 bytes for a code of A to Z and 0 to 9;
/// 5 more than its bytes for any other.
#[derive(Clone, Default)]
pub struct Codes {
    /// Sorted lists of what [`unpack`](crate::pack::unpack) takes.
    packed: Vec<Vec<u64>>,
    /// Sorted lists.
    texts: Vec<Texts>,
}

impl Codes {
    /// Sorts what was found, on as many threads.
    pub(crate) fn new(found: Vec<JoinResult>, threads: usize) -> Codes {
        let mut pieces = Vec::new();
        let mut texts = Vec::new();
        for mut found in found {
            pieces.append(&mut found.packed);
            texts.append(&mut found.texts);
        }
        let total: usize = pieces.iter().map(Vec::len).sum();
        // A list is closed when the next piece does not fit: no more lists than that many.
        let max = total.div_ceil(threads.clamp(1, MAX_LISTS)) + PIECE;
        let texts = gather(texts, Texts::MAX_BYTES);
        let mut codes = Codes {
            packed: gather(pieces, max),
            texts: texts.into_iter().map(Texts::new).collect(),
        };
        std::thread::scope(|scope| {
            for list in &mut codes.packed {
                scope.spawn(|| list.sort_unstable());
            }
            for list in &mut codes.texts {
                scope.spawn(|| list.sort());
            }
        });
        codes
    }

    /// Number of codes.
    pub fn len(&self) -> usize {
        let packed: usize = self.packed.iter().map(Vec::len).sum();
        packed + self.texts.iter().map(Texts::len).sum::<usize>()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The codes in the order of their bytes. Unpacks one at a time.
    pub fn iter(&self) -> impl Iterator<Item = Code> + '_ {
        let packed = merge(self.packed.iter().map(|list| list.iter().copied()).collect());
        let texts = merge(self.texts.iter().map(Texts::iter).collect());
        let (mut packed, mut texts) = (
            packed.map(Code::unpack).peekable(),
            texts.map(Code::new).peekable(),
        );
        std::iter::from_fn(move || match (packed.peek(), texts.peek()) {
            (Some(one), Some(other)) if other < one => texts.next(),
            (Some(_), _) => packed.next(),
            (None, _) => texts.next(),
        })
    }

    /// Writes one code a line.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        for code in self.iter() {
            out.write_all(code.as_bytes())?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Codes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.iter()).finish()
    }
}

/// Joins pieces to lists of at most `max` elements each, one piece after the other, so that no
/// piece lies in memory twice for long.
fn gather<T: Copy>(pieces: Vec<Vec<T>>, max: usize) -> Vec<Vec<T>> {
    let mut left: usize = pieces.iter().map(Vec::len).sum();
    let mut lists: Vec<Vec<T>> = Vec::new();
    for piece in pieces {
        let has_room = |list: &&mut Vec<T>| list.len() + piece.len() <= max;
        match lists.last_mut().filter(has_room) {
            Some(list) => list.extend_from_slice(&piece),
            None => {
                let mut list = Vec::with_capacity(left.min(max));
                list.extend_from_slice(&piece);
                lists.push(list);
            }
        }
        left -= piece.len();
    }
    lists
}

/// One sorted sequence of several: a few, so that looking at each of them is quick.
fn merge<T: Ord + Copy>(lists: Vec<impl Iterator<Item = T>>) -> impl Iterator<Item = T> {
    let mut lists: Vec<_> = lists.into_iter().map(Iterator::peekable).collect();
    std::iter::from_fn(move || {
        let heads = lists.iter_mut().enumerate();
        let heads = heads.filter_map(|(number, list)| Some((*list.peek()?, number)));
        let (_, least) = heads.min()?;
        lists.get_mut(least)?.next()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::pack::{pack, sortable};

    proptest! {
        #[test]
        fn codes_come_in_the_order_of_their_bytes(
            codes in prop::collection::btree_set("[A-C0]{8,10}|[A-C\u{e9} a]{8,10}", 0..60),
            threads in 1usize..5,
        ) {
            let mut found: Vec<JoinResult> = (0..threads).map(|_| JoinResult::default()).collect();
            for (number, code) in codes.iter().rev().enumerate() {
                let found = &mut found[number % threads];
                match pack(code.as_bytes()) {
                    Some((kind, packed)) => found.add(sortable(kind, packed)),
                    None => found.add_text(&[&[code.len() as u8], code.as_bytes()].concat()),
                }
            }
            let sorted = Codes::new(found, threads);
            let texts: Vec<String> = sorted.iter().map(|code| code.to_string()).collect();
            prop_assert_eq!(texts, codes.iter().cloned().collect::<Vec<String>>());
            prop_assert_eq!(sorted.len(), codes.len());
            let mut lines = Vec::new();
            sorted.write_to(&mut lines).unwrap();
            let lines: BTreeSet<String> = String::from_utf8(lines).unwrap().lines().map(str::to_owned).collect();
            prop_assert_eq!(lines, codes);
        }
    }
}
