//! Codes of A to Z and 0 to 9 as numbers to the base of 36, by which they sort as by their bytes.

mod prefix;

pub(crate) use prefix::CodePrefix;

use crate::kind::Kind;

/// The number of a code; `None` if it is not of 8 to 10 characters of A to Z and 0 to 9.
pub(crate) fn pack(code: &[u8]) -> Option<(Kind, u64)> {
    let mut text = [0; 16];
    text.get_mut(..code.len())?.copy_from_slice(code);
    let prefix = CodePrefix::new(&text);
    match prefix.length() {
        length if length != code.len() => None,
        8 => Some((Kind::Eight, prefix.eight())),
        9 => Some((Kind::Nine, prefix.nine())),
        10 => Some((Kind::Ten, prefix.ten())),
        _ => None,
    }
}

/// A number by which codes of all three lengths sort as by their bytes: a shorter code comes before
/// those that it begins.
pub(crate) fn sortable(kind: Kind, packed: u64) -> u64 {
    match kind {
        Kind::Eight => packed * 36 * 36 * 4,
        Kind::Nine => packed * 36 * 4 + 1,
        Kind::Ten | Kind::Other => packed * 4 + 2,
    }
}

/// The code of [`sortable`]: ten characters, and how many of them count.
pub(crate) fn unpack(sortable: u64) -> ([u8; 10], usize) {
    let mut text = [0; 10];
    let mut rest = sortable / 4;
    for character in text.iter_mut().rev() {
        let value = (rest % 36) as u8;
        *character = if value < 10 {
            b'0' + value
        } else {
            b'A' - 10 + value
        };
        rest /= 36;
    }
    (text, 8 + (sortable % 4) as usize)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_code_comes_back(code in "[A-Z0-9]{8,10}") {
            let (kind, packed) = pack(code.as_bytes()).unwrap();
            prop_assert!(packed < 1 << kind.bits());
            let (text, length) = unpack(sortable(kind, packed));
            prop_assert_eq!(&text[..length], code.as_bytes());
        }

        #[test]
        fn codes_sort_as_their_bytes(one in "[AZ09]{8,10}", other in "[AZ09]{8,10}", stem in 0usize..9) {
            let other = format!("{}{}", &one[..stem.min(one.len())], other);
            let other = &other[..other.len().min(10)];
            let key = |code: &str| pack(code.as_bytes()).map(|(kind, packed)| sortable(kind, packed)).unwrap();
            prop_assert_eq!(key(&one).cmp(&key(other)), one.as_str().cmp(other));
        }

        #[test]
        fn any_other_byte_is_found(at in 0usize..10, length in 8usize..=10, byte: u8) {
            let mut code = vec![b'Q'; length];
            let at = at.min(length - 1);
            code[at] = byte;
            let valid = byte.is_ascii_uppercase() || byte.is_ascii_digit();
            prop_assert_eq!(pack(&code).is_some(), valid);
        }
    }
}
