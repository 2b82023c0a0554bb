//! Units of one product in an order.

use serde::Serialize;

/// Units of one product in an order: 1 to 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Quantity(u16);

/// The number is out of range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a quantity is from 1 to {max}", max = Quantity::MAX)]
pub struct NotAQuantity;

impl Quantity {
    /// The most units of one product in one order.
    pub const MAX: u16 = 1000;

    /// A quantity of `units`.
    ///
    /// # Errors
    /// [`NotAQuantity`] outside 1…1000.
    pub fn new(units: i64) -> Result<Quantity, NotAQuantity> {
        match u16::try_from(units) {
            Ok(units @ 1..=Quantity::MAX) => Ok(Quantity(units)),
            _ => Err(NotAQuantity),
        }
    }

    /// The number of units.
    pub const fn units(self) -> u16 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_to_a_thousand() {
        for units in [1, 2, 999, 1000] {
            assert_eq!(
                Quantity::new(units).map(Quantity::units).map(i64::from),
                Ok(units)
            );
        }
        for units in [i64::MIN, -1, 0, 1001, 65_537, 3_000_000_000, i64::MAX] {
            assert_eq!(Quantity::new(units), Err(NotAQuantity));
        }
    }
}
