//! Coupon codes as clients send them.

use std::borrow::Borrow;
use std::fmt;

use serde::Serialize;

/// A coupon code as sent: 1 to 64 characters without controls, case-sensitive, not trimmed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct CouponCode(String);

/// The text cannot be a coupon code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a coupon code has 1 to {max} characters, none of them a control character", max = CouponCode::MAX_LENGTH)]
pub struct NotACouponCode;

impl CouponCode {
    /// The longest code, in characters.
    pub const MAX_LENGTH: usize = 64;

    /// Takes the text as it is.
    ///
    /// # Errors
    /// [`NotACouponCode`] when it is empty, too long, or has a control character (NUL included).
    pub fn parse(text: impl Into<String>) -> Result<CouponCode, NotACouponCode> {
        let text = text.into();
        let length = text.chars().take(CouponCode::MAX_LENGTH + 1).count();
        if length == 0 || length > CouponCode::MAX_LENGTH || text.chars().any(char::is_control) {
            return Err(NotACouponCode);
        }
        Ok(CouponCode(text))
    }

    /// The code's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the code has the length of a bulk code, 8 to 10 characters.
    pub fn is_bulk_length(&self) -> bool {
        (8..=10).contains(&self.0.chars().count())
    }
}

impl Borrow<str> for CouponCode {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CouponCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_taken_as_it_is() {
        for text in [
            "SAVE10",
            "save10",
            " SAVE10 ",
            "é",
            &"x".repeat(64),
            &"é".repeat(64),
        ] {
            assert_eq!(CouponCode::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn empty_long_and_control_are_refused() {
        for text in [
            "",
            "\0",
            "SAVE\u{0}10",
            "SAVE10\n",
            "\u{7f}",
            "\u{85}",
            &"x".repeat(65),
        ] {
            assert_eq!(CouponCode::parse(text), Err(NotACouponCode), "{text:?}");
        }
    }

    #[test]
    fn bulk_length_counts_characters() {
        for (text, bulk) in [
            ("1234567", false),
            ("12345678", true),
            ("éééééééé", true),
            ("12345678901", false),
        ] {
            assert_eq!(CouponCode::parse(text).unwrap().is_bulk_length(), bulk, "{text}");
        }
    }
}
