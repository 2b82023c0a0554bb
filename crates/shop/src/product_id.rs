//! Numbers of products.

use std::fmt;

use serde::{Serialize, Serializer};

/// A product's number: a positive 64-bit integer, written as a decimal string (`"1"`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProductId(i64);

/// The text or number is not a product id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a product id is a whole number from 1 to {max}, without sign or leading zeros", max = i64::MAX)]
pub struct NotAProductId;

impl ProductId {
    /// The id with this number.
    ///
    /// # Errors
    /// [`NotAProductId`] when it is not positive.
    pub const fn new(number: i64) -> Result<ProductId, NotAProductId> {
        if number > 0 {
            Ok(ProductId(number))
        } else {
            Err(NotAProductId)
        }
    }

    /// Parses the one canonical text of an id: `1`, not `01`, `+1` or ` 1`.
    ///
    /// # Errors
    /// [`NotAProductId`] for every other text.
    pub fn parse(text: &str) -> Result<ProductId, NotAProductId> {
        if !text.bytes().all(|byte| byte.is_ascii_digit()) || text.starts_with('0') {
            return Err(NotAProductId);
        }
        text.parse().map_err(|_| NotAProductId).and_then(ProductId::new)
    }

    /// The id as a number.
    pub const fn number(self) -> i64 {
        self.0
    }
}

impl fmt::Display for ProductId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl Serialize for ProductId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_text_is_an_id() {
        assert_eq!(ProductId::parse("1").map(ProductId::number), Ok(1));
        assert_eq!(
            ProductId::parse("9223372036854775807").map(ProductId::number),
            Ok(i64::MAX)
        );
        for text in [
            "",
            "0",
            "-1",
            "+1",
            "01",
            " 1",
            "1 ",
            "abc",
            "1.0",
            "9223372036854775808",
            "１",
            "1\0",
        ] {
            assert_eq!(ProductId::parse(text), Err(NotAProductId), "{text:?}");
        }
    }
}
