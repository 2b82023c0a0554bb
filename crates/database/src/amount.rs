//! Money in `numeric` columns, by way of `rust_decimal`, exact to the cent.

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue, data_types::PgNumeric};
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Numeric;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use shop::Money;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, Type, accepts, to_sql_checked};

/// A [`Money`] as diesel and tokio-postgres write it to and read it from `numeric(p, 2)` columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AsExpression, FromSqlRow, Serialize, Deserialize)]
#[serde(transparent)]
#[diesel(sql_type = Numeric)]
pub struct Amount(pub Money);

impl Amount {
    fn decimal(self) -> Decimal {
        Decimal::new(self.0.cents(), 2)
    }

    /// `None` for fractions of a cent and for what 64 bits of cents cannot hold.
    fn from_decimal(decimal: Decimal) -> Option<Self> {
        let mut cents = decimal;
        // What a column of two decimals sends has this scale.
        if cents.scale() != 2 {
            // A decimal of the greatest scale may have been rounded while it was read.
            cents = Some(cents)
                .filter(|cents| cents.scale() < Decimal::MAX_SCALE)?
                .normalize();
            if cents.scale() > 2 {
                return None;
            }
            cents.rescale(2);
        }
        let is_exact = cents.scale() == 2;
        let cents = i64::try_from(cents.mantissa()).ok().filter(|_| is_exact)?;
        Some(Self(Money::from_cents(cents)))
    }
}

impl ToSql<Numeric, Pg> for Amount {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        let numeric = PgNumeric::from(self.decimal());
        ToSql::<Numeric, Pg>::to_sql(&numeric, &mut out.reborrow())
    }
}

impl FromSql<Numeric, Pg> for Amount {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let numeric = PgNumeric::from_sql(value)?;
        let decimal = Decimal::try_from(&numeric).ok();
        decimal
            .and_then(Self::from_decimal)
            .ok_or_else(|| format!("not an amount in cents: {numeric:?}").into())
    }
}

impl tokio_postgres::types::ToSql for Amount {
    fn to_sql(
        &self,
        numeric: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        tokio_postgres::types::ToSql::to_sql(&self.decimal(), numeric, out)
    }

    accepts!(NUMERIC);
    to_sql_checked!();
}
