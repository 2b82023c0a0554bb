//! Pick-up codes: what is called out when an order is ready.

/// Letters and digits that nobody mistakes for each other, read or heard.
const ALPHABET: &[u8; 24] = b"ACDEFHJKLMNPRTUVWXY34679";

/// The code of the order with this id: two letters or digits, a hyphen, two more. Taken of the
/// random bits of a version 7 UUID, so that it tells nothing of other orders; of 331,776 codes, two
/// orders that wait at the same time rarely have the same.
#[expect(clippy::indexing_slicing, reason = "a remainder of the alphabet's length")]
pub fn pick_up_code(order: u128) -> String {
    let mut rest = (order & 0xffff_ffff) as u32;
    let mut code = String::with_capacity(5);
    for place in 0..4 {
        if place == 2 {
            code.push('-');
        }
        code.push(char::from(ALPHABET[(rest % 24) as usize]));
        rest /= 24;
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_short_and_always_the_same() {
        assert_eq!(pick_up_code(0), "AA-AA");
        assert_eq!(pick_up_code(24 * 24), "AA-CA");
        assert_eq!(pick_up_code(u128::MAX), pick_up_code(u128::MAX));
        assert_eq!(pick_up_code(u128::MAX).len(), 5);
    }
}
