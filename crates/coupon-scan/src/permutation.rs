//! Scrambling, so that codes fill partitions and tables evenly whatever they are.

use std::hash::{BuildHasher as _, RandomState};

/// A random permutation of the numbers below a power of two: no two numbers become equal, and no
/// input can be made whose codes all fall into one partition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Permutation {
    mask: u64,
    shift: u32,
    offset: u64,
    factors: [u64; 2],
    inverses: [u64; 2],
}

impl Permutation {
    pub(crate) fn new(bits: u32, seed: &Seed) -> Permutation {
        let mask = u64::MAX >> (64 - bits);
        let factors = [1, 2].map(|number| (seed.number(number) | 1) & mask);
        Permutation {
            mask,
            // At least half of the bits: twice the same shift then cancels out.
            shift: bits.div_ceil(2),
            offset: seed.number(0) & mask,
            factors,
            inverses: factors.map(inverse),
        }
    }

    #[inline]
    pub(crate) fn apply(&self, number: u64) -> u64 {
        let [first, second] = self.factors;
        let mut scrambled = (number ^ self.offset).wrapping_mul(first) & self.mask;
        scrambled ^= scrambled >> self.shift;
        scrambled = scrambled.wrapping_mul(second) & self.mask;
        scrambled ^ (scrambled >> self.shift)
    }

    pub(crate) fn invert(&self, scrambled: u64) -> u64 {
        let [first, second] = self.inverses;
        let mut number = scrambled ^ (scrambled >> self.shift);
        number = number.wrapping_mul(second) & self.mask;
        number ^= number >> self.shift;
        (number.wrapping_mul(first) & self.mask) ^ self.offset
    }
}

/// Of an odd number modulo 2⁶⁴, hence modulo every smaller power of two, by Newton's iteration: 3,
/// 6, 12 … right bits.
fn inverse(odd: u64) -> u64 {
    let mut inverse = odd;
    for _ in 0..5 {
        inverse = inverse.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(inverse)));
    }
    inverse
}

/// Random numbers of one scan.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seed(RandomState);

impl Seed {
    fn number(&self, number: u64) -> u64 {
        self.0.hash_one(number)
    }

    /// A hash of a text whose partition is its highest bits.
    pub(crate) fn hash(&self, text: &[u8]) -> u64 {
        self.0.hash_one(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kind::Kind;

    proptest! {
        #[test]
        fn nothing_is_lost(number: u64) {
            for kind in Kind::PACKED {
                let permutation = Permutation::new(kind.bits(), &Seed::default());
                let number = number & permutation.mask;
                let scrambled = permutation.apply(number);
                prop_assert!(scrambled <= permutation.mask);
                prop_assert_eq!(permutation.invert(scrambled), number);
            }
        }
    }

    #[test]
    fn neighbors_fill_the_partitions_evenly() {
        for kind in Kind::PACKED {
            let permutation = Permutation::new(kind.bits(), &Seed::default());
            let mut partitions = [0; 1024];
            for number in 0..1 << 20 {
                partitions[(permutation.apply(number) >> (kind.bits() - 10)) as usize] += 1;
            }
            assert!(
                partitions.iter().all(|codes| (512..2048).contains(codes)),
                "{kind:?}"
            );
        }
    }
}
