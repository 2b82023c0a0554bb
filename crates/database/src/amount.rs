//! Money in `numeric` columns.

use diesel::data_types::PgNumeric;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Numeric;
use shop::Money;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, Type, accepts, to_sql_checked};

/// A [`Money`] as diesel writes it to and reads it from `numeric(p, 2)` columns, without any float or rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = Numeric)]
pub struct Amount(pub Money);

impl ToSql<Numeric, Pg> for Amount {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let numeric = encode(self.0);
        ToSql::<Numeric, Pg>::to_sql(&numeric, &mut out.reborrow())
    }
}

impl FromSql<Numeric, Pg> for Amount {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let numeric = PgNumeric::from_sql(value)?;
        decode(&numeric)
            .map(Amount)
            .ok_or_else(|| format!("not an amount in cents: {numeric:?}").into())
    }
}

impl tokio_postgres::types::ToSql for Amount {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        let (sign, weight, scale, digits) = match encode(self.0) {
            PgNumeric::Positive {
                weight,
                scale,
                digits,
            } => (POSITIVE, weight, scale, digits),
            PgNumeric::Negative {
                weight,
                scale,
                digits,
            } => (NEGATIVE, weight, scale, digits),
            PgNumeric::NaN => return Err("an amount is a number".into()),
        };
        out.reserve(8 + 2 * digits.len());
        for part in [i16::try_from(digits.len())?, weight, sign, i16::try_from(scale)?] {
            out.extend_from_slice(&part.to_be_bytes());
        }
        for digit in digits {
            out.extend_from_slice(&digit.to_be_bytes());
        }
        Ok(IsNull::No)
    }

    accepts!(NUMERIC);
    to_sql_checked!();
}

/// Signs of the binary form of `numeric`.
const POSITIVE: i16 = 0;
const NEGATIVE: i16 = 0x4000;

/// PostgreSQL's digits have base 10,000; the decimal point stands after digit number `weight`.
fn encode(money: Money) -> PgNumeric {
    let cents = money.cents().unsigned_abs();
    let mut digits = vec![base_10_000((cents % 100) * 100)];
    let mut whole = cents / 100;
    while whole > 0 {
        digits.push(base_10_000(whole % 10_000));
        whole /= 10_000;
    }
    digits.reverse();
    // At most 6 digits: 64 bits are below 10^20.
    let weight = i16::try_from(digits.len()).unwrap_or(i16::MAX) - 2;
    match money.cents() {
        0.. => PgNumeric::Positive {
            weight,
            scale: 2,
            digits,
        },
        _ => PgNumeric::Negative {
            weight,
            scale: 2,
            digits,
        },
    }
}

fn base_10_000(digit: u64) -> i16 {
    i16::try_from(digit).unwrap_or(i16::MAX)
}

fn decode(numeric: &PgNumeric) -> Option<Money> {
    let (sign, weight, digits) = match numeric {
        PgNumeric::Positive { weight, digits, .. } => (1, *weight, digits),
        PgNumeric::Negative { weight, digits, .. } => (-1, *weight, digits),
        PgNumeric::NaN => return None,
    };
    let mut cents: i64 = 0;
    for (index, digit) in (0i16..).zip(digits) {
        let digit = i64::from(*digit);
        let exponent = u32::from((weight - index).unsigned_abs());
        let part = match weight - index {
            0.. => 10_000i64
                .checked_pow(exponent)?
                .checked_mul(100)?
                .checked_mul(digit)?,
            -1 if digit % 100 == 0 => digit / 100,
            _ if digit == 0 => 0,
            _ => return None,
        };
        cents = cents.checked_add(part)?;
    }
    Some(Money::from_cents(sign * cents))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_survive_the_way_to_numeric_and_back() {
        for cents in [
            0,
            1,
            99,
            100,
            1299,
            999_999,
            1_000_000,
            -1299,
            9_999_999_999,
            99_999_999_999_999,
            1_000_000_000_000,
        ] {
            let money = Money::from_cents(cents);
            assert_eq!(decode(&encode(money)), Some(money), "{cents}");
        }
    }

    #[test]
    fn trailing_zero_digits_may_be_missing() {
        let hundred_million = PgNumeric::Positive {
            weight: 2,
            scale: 2,
            digits: vec![1],
        };
        assert_eq!(decode(&hundred_million), Some(Money::from_cents(10_000_000_000)));
        assert_eq!(
            decode(&PgNumeric::Positive {
                weight: 0,
                scale: 2,
                digits: vec![]
            }),
            Some(Money::ZERO)
        );
    }

    #[test]
    fn what_cents_cannot_hold_is_refused() {
        assert_eq!(decode(&PgNumeric::NaN), None);
        assert_eq!(
            decode(&PgNumeric::Positive {
                weight: -1,
                scale: 3,
                digits: vec![1]
            }),
            None
        );
        assert_eq!(
            decode(&PgNumeric::Positive {
                weight: 9,
                scale: 0,
                digits: vec![1]
            }),
            None
        );
    }
}
