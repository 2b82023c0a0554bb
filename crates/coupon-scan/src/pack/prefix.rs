//! The first characters of a line, classified and packed with SIMD.

use wide::{i16x8, u8x16};

/// Sixteen characters, of which the first ones may be a code of A to Z and 0 to 9.
///
/// With vectors that every processor has: one by one, or in words of eight, the same takes a
/// twelfth of the whole scan's time more.
#[derive(Clone, Copy)]
pub(crate) struct CodePrefix {
    length: usize,
    /// The value of each character, two in a number, the first one in its lower half; what follows
    /// the code is rubbish.
    values: i16x8,
}

impl CodePrefix {
    #[inline]
    pub(crate) fn new(text: &[u8; 16]) -> CodePrefix {
        let text = u8x16::new(*text);
        let from_zero = text - u8x16::splat(b'0');
        let digits = from_zero.simd_lt(u8x16::splat(10));
        let letters = (text - u8x16::splat(b'A')).simd_lt(u8x16::splat(26));
        let values = from_zero - (letters & u8x16::splat(b'A' - b'9' - 1));
        CodePrefix {
            length: (!(digits | letters).to_bitmask()).trailing_zeros() as usize,
            values: bytemuck::cast(values),
        }
    }

    /// How many characters, from the first one, are A to Z or 0 to 9.
    #[inline]
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// The number of the first eight characters.
    #[inline]
    pub(crate) fn eight(&self) -> u64 {
        let (first, second) = (36 * 36, 1);
        let weights = i16x8::new([first, second, first, second, first, second, first, second]);
        let [first, second, ..] = self.pairs().dot(weights).to_array();
        first as u64 * 36_u64.pow(4) + second as u64
    }

    /// The number of the first nine characters.
    #[inline]
    pub(crate) fn nine(&self) -> u64 {
        let [.., ninth, _, _, _] = self.values.to_array();
        self.eight() * 36 + (ninth & 0xff) as u64
    }

    /// The number of the first ten characters.
    #[inline]
    pub(crate) fn ten(&self) -> u64 {
        let [.., last, _, _, _] = self.pairs().to_array();
        self.eight() * 36 * 36 + last as u64
    }

    /// The number of each two characters.
    #[inline]
    fn pairs(&self) -> i16x8 {
        (self.values & i16x8::splat(0xff)) * i16x8::splat(36) + (self.values >> 8)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn character() -> impl Strategy<Value = u8> {
        prop_oneof![20 => prop::sample::select(b"0189AYZ".to_vec()), 1 => any::<u8>()]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5000))]

        #[test]
        fn characters_are_counted_and_packed(text in prop::array::uniform16(character())) {
            let value = |character: &u8| char::from(*character).to_digit(36).map(u64::from);
            let is_valid = |character: &&u8| character.is_ascii_digit() || character.is_ascii_uppercase();
            let length = text.iter().take_while(is_valid).count();
            let prefix = CodePrefix::new(&text);
            prop_assert_eq!(prefix.length(), length);
            let number = |count: usize| text[..count].iter().filter_map(value).fold(0, |all, one| all * 36 + one);
            if length >= 8 {
                prop_assert_eq!(prefix.eight(), number(8));
            }
            if length >= 9 {
                prop_assert_eq!(prefix.nine(), number(9));
            }
            if length >= 10 {
                prop_assert_eq!(prefix.ten(), number(10));
            }
        }
    }
}
