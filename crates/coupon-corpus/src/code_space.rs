//! All codes of one length, in an order that looks random.

const RADIX: u64 = 36;
const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const ROUNDS: u64 = 4;

/// The codes of A–Z and 0–9 of one length, each under one number: an alternating Feistel network
/// over the two halves of the code. A bijection, so that different numbers are different codes: no
/// code can stand in a second file by accident.
#[derive(Clone, Debug)]
pub(super) struct CodeSpace {
    /// How many texts each half has: its characters are digits in base 36.
    halves: [u64; 2],
    lengths: [usize; 2],
    seed: u64,
}

/// A code as its two halves.
pub(super) type Halves = [u64; 2];

impl CodeSpace {
    /// Codes of `length` characters, 2 to 12.
    pub(super) fn new(length: usize, seed: u64) -> CodeSpace {
        let lengths = [length / 2, length - length / 2];
        CodeSpace {
            halves: lengths.map(|length| std::iter::repeat_n(RADIX, length).product()),
            lengths,
            seed: scramble(seed ^ length as u64),
        }
    }

    /// The code with this number, which is below 36 to the power of the length.
    pub(super) fn code(&self, number: u64) -> Halves {
        let [many, few] = self.halves;
        let (mut left, mut right) = (number / few % many, number % few);
        for round in 0..ROUNDS {
            left = add(left, self.draw(2 * round, right, many), many);
            right = add(right, self.draw(2 * round + 1, left, few), few);
        }
        [left, right]
    }

    /// The number of a code, if it is one: the way back.
    pub(super) fn number(&self, code: &str) -> Option<u64> {
        let (left, right) = code.split_at_checked(*self.lengths.first()?)?;
        if right.len() != *self.lengths.last()? {
            return None;
        }
        let (mut left, mut right) = (value(left)?, value(right)?);
        let [many, few] = self.halves;
        for round in (0..ROUNDS).rev() {
            right = add(right, few - self.draw(2 * round + 1, left, few), few);
            left = add(left, many - self.draw(2 * round, right, many), many);
        }
        Some(left * few + right)
    }

    /// Appends the text of a code.
    pub(super) fn write(&self, code: Halves, text: &mut Vec<u8>) {
        for (value, length) in code.into_iter().zip(self.lengths) {
            write_digits(value, length, text);
        }
    }

    /// A value below `below` that depends on everything.
    fn draw(&self, round: u64, value: u64, below: u64) -> u64 {
        scale(
            scramble(self.seed.wrapping_add(round << 48) ^ value.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            below,
        )
    }
}

/// Scrambles all bits: the finalizer of SplitMix64.
pub(super) fn scramble(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Brings a random value below `below`, which is at most 2^32.
pub(super) fn scale(random: u64, below: u64) -> u64 {
    ((random >> 32) * below) >> 32
}

/// Appends `length` characters that show `value` in base 36.
pub(super) fn write_digits(mut value: u64, length: usize, text: &mut Vec<u8>) {
    let start = text.len();
    text.resize(start + length, b'0');
    for place in text.iter_mut().skip(start).rev() {
        let digit = (value % RADIX) as usize;
        *place = DIGITS.get(digit).copied().unwrap_or(b'0');
        value /= RADIX;
    }
}

fn add(one: u64, other: u64, modulus: u64) -> u64 {
    let sum = one + other;
    if sum >= modulus { sum - modulus } else { sum }
}

fn value(text: &str) -> Option<u64> {
    text.bytes().try_fold(0, |value, byte| {
        let digit = DIGITS.iter().position(|digit| *digit == byte)?;
        Some(value * RADIX + digit as u64)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn text(space: &CodeSpace, number: u64) -> String {
        let mut text = Vec::new();
        space.write(space.code(number), &mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn different_numbers_are_different_codes_and_lead_back() {
        for length in [2, 3] {
            let space = CodeSpace::new(length, 7);
            let all = 36u64.pow(u32::try_from(length).unwrap());
            let codes: HashSet<String> = (0..all).map(|number| text(&space, number)).collect();
            assert_eq!(codes.len() as u64, all);
        }
        for length in [8, 9, 10] {
            let space = CodeSpace::new(length, 7);
            for number in [0, 1, 35, 36, 1 << 20, (1 << 40) + 12345] {
                let code = text(&space, number);
                assert_eq!(code.len(), length);
                assert_eq!(space.number(&code), Some(number), "{code}");
            }
        }
        assert_eq!(CodeSpace::new(8, 7).number("HAPPY"), None);
    }

    #[test]
    fn the_seed_changes_the_codes() {
        let [one, other] = [1, 2].map(|seed| text(&CodeSpace::new(8, seed), 0));
        assert_ne!(one, other);
    }
}
