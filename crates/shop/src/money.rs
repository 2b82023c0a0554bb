//! Amounts of money in whole cents.

use std::fmt;
use std::io::Write as _;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::value::RawValue;

/// An amount in cents, in the one currency of the shop.
///
/// Written (JSON, `Display`) as a decimal number with exactly two decimals: `12.90`. Never a float.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i64);

/// Bytes of the longest amount: a sign, the digits of 64 bits, a point.
const MAX_LENGTH: usize = 1 + 19 + 1;

/// The text is not an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an amount is digits with at most two decimals, from 0 to {max}", max = Money::MAX_PRICE)]
pub struct NotMoney;

impl Money {
    /// 0.00
    pub const ZERO: Money = Money(0);
    /// The largest price of one unit, 99,999,999.99: the range of `numeric(10, 2)`.
    pub const MAX_PRICE: Money = Money(9_999_999_999);
    /// The largest total of an order, 999,999,999,999.99: the range of `numeric(14, 2)`.
    pub const MAX_TOTAL: Money = Money(99_999_999_999_999);

    /// An amount of `cents` hundredths.
    pub const fn from_cents(cents: i64) -> Money {
        Money(cents)
    }

    /// The amount in hundredths.
    pub const fn cents(self) -> i64 {
        self.0
    }

    /// Parses `12`, `12.9` or `12.99`; at most [`Money::MAX_PRICE`].
    ///
    /// # Errors
    /// [`NotMoney`] for a sign, an exponent, a third decimal (even 0), blanks, or an
    /// amount out of range.
    pub fn parse(text: &str) -> Result<Money, NotMoney> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || fraction.len() > 2 {
            return Err(NotMoney);
        }
        let whole: i64 = whole.parse().map_err(|_| NotMoney)?;
        let hundredths: i64 = fraction.parse().map_err(|_| NotMoney)?;
        let hundredths = if fraction.len() == 1 {
            hundredths * 10
        } else {
            hundredths
        };
        let cents = whole
            .checked_mul(100)
            .and_then(|cents| cents.checked_add(hundredths))
            .ok_or(NotMoney)?;
        if cents > Money::MAX_PRICE.0 {
            Err(NotMoney)
        } else {
            Ok(Money(cents))
        }
    }

    /// The sum, or `None` on overflow.
    pub fn checked_add(self, other: Money) -> Option<Money> {
        self.0.checked_add(other.0).map(Money)
    }

    /// The difference, or `None` on overflow.
    pub fn checked_sub(self, other: Money) -> Option<Money> {
        self.0.checked_sub(other.0).map(Money)
    }

    /// The amount `factor` times, or `None` on overflow.
    pub fn checked_mul(self, factor: u32) -> Option<Money> {
        self.0.checked_mul(i64::from(factor)).map(Money)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let cents = self.0.unsigned_abs();
        write!(out, "{sign}{}.{:02}", cents / 100, cents % 100)
    }
}

impl Serialize for Money {
    /// A JSON number with its two decimals. Only `serde_json` can write it so.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = [0; MAX_LENGTH];
        let mut rest = text.as_mut_slice();
        write!(rest, "{self}").map_err(S::Error::custom)?;
        let unused = rest.len();
        let written = text.get(..MAX_LENGTH - unused).unwrap_or_default();
        let number: &RawValue = serde_json::from_slice(written).map_err(S::Error::custom)?;
        number.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Money {
    /// What [`Money::parse`] takes, as a JSON number. Only `serde_json` can read it so, and only
    /// from a text.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
        let number = <&RawValue>::deserialize(deserializer)?;
        Money::parse(number.get()).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_are_parsed_to_the_cent() {
        for (text, cents) in [
            ("0", 0),
            ("12", 1200),
            ("12.9", 1290),
            ("12.99", 1299),
            ("99999999.99", 9_999_999_999),
        ] {
            assert_eq!(Money::parse(text), Ok(Money::from_cents(cents)), "{text}");
        }
    }

    #[test]
    fn what_is_not_an_amount_is_refused() {
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1.999",
            "1.990",
            "1e2",
            " 1",
            "1,5",
            "100000000",
            "NaN",
            "９",
        ] {
            assert_eq!(Money::parse(text), Err(NotMoney), "{text}");
        }
    }

    #[test]
    fn json_has_two_decimals() {
        let json = serde_json::to_string(&[1299, 1290, 1200, 5, 0].map(Money::from_cents)).unwrap();
        assert_eq!(json, "[12.99,12.90,12.00,0.05,0.00]");
        let widest = serde_json::to_string(&[i64::MAX, i64::MIN].map(Money::from_cents)).unwrap();
        assert_eq!(widest, "[92233720368547758.07,-92233720368547758.08]");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(cents in 0..=Money::MAX_PRICE.cents()) {
            let money = Money::from_cents(cents);
            prop_assert_eq!(Money::parse(&money.to_string()), Ok(money));
            let json = serde_json::to_string(&money).unwrap();
            prop_assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money);
        }
    }
}
