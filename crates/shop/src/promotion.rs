//! Promotions: kinds, conditions and discounts.

use chrono::{DateTime, Utc};

use crate::{CouponCode, Money, PricedLine};

/// How a promotion makes an order cheaper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromotionKind {
    /// A share of the subtotal, in hundredths of a percent: 1 to 10,000.
    Percentage(u16),
    /// An amount, more than 0.00.
    Fixed(Money),
    /// One unit of the cheapest product of the order.
    CheapestItemFree,
}

/// A code that changes the price of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promotion {
    /// The code that the client sends.
    pub code: CouponCode,
    /// How the discount is computed.
    pub kind: PromotionKind,
    /// Fewest units that an order needs, quantities added up; at least 1.
    pub min_items: u32,
    /// The discount is capped here.
    pub max_discount: Option<Money>,
    /// First instant of validity; `None` means since ever.
    pub starts_at: Option<DateTime<Utc>>,
    /// First instant that is no longer valid; `None` means for ever.
    pub ends_at: Option<DateTime<Utc>>,
    /// Most orders that may use the code; `None` means any number.
    pub max_uses: Option<u64>,
}

/// Why a promotion does not apply to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its window has not begun.
    #[error("is not valid yet")]
    NotStarted,
    /// Its window is over.
    #[error("has expired")]
    Expired,
    /// The order has too few units.
    #[error("needs at least {min_items} items")]
    TooFewItems {
        /// The least number of units.
        min_items: u32,
    },
}

/// Kind and value do not make a promotion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAPromotion {
    /// No kind has this name.
    #[error("a kind is one of percentage, fixed, cheapest_item_free")]
    Kind,
    /// The value is out of the kind's range.
    #[error("a value is above 0 and at most 100 for percentage, above 0 for fixed, 0 for cheapest_item_free")]
    Value,
}

impl PromotionKind {
    /// The kind with this name and value: percent for `percentage`, an amount for `fixed`, 0 for
    /// `cheapest_item_free`, given in hundredths.
    ///
    /// # Errors
    /// [`NotAPromotion`] names the problem.
    pub fn new(name: &str, value: Money) -> Result<PromotionKind, NotAPromotion> {
        match (name, value.cents()) {
            ("percentage", hundredths @ 1..=10_000) => u16::try_from(hundredths)
                .map(PromotionKind::Percentage)
                .map_err(|_| NotAPromotion::Value),
            ("fixed", 1..) => Ok(PromotionKind::Fixed(value)),
            ("cheapest_item_free", 0) => Ok(PromotionKind::CheapestItemFree),
            ("percentage" | "fixed" | "cheapest_item_free", _) => Err(NotAPromotion::Value),
            _ => Err(NotAPromotion::Kind),
        }
    }

    /// The kind's name in data files and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            PromotionKind::Percentage(_) => "percentage",
            PromotionKind::Fixed(_) => "fixed",
            PromotionKind::CheapestItemFree => "cheapest_item_free",
        }
    }

    /// The kind's value in hundredths, as [`PromotionKind::new`] takes it.
    pub const fn value(self) -> Money {
        match self {
            PromotionKind::Percentage(hundredths) => Money::from_cents(hundredths as i64),
            PromotionKind::Fixed(amount) => amount,
            PromotionKind::CheapestItemFree => Money::ZERO,
        }
    }
}

impl Promotion {
    /// Whether an order of `units` units may use the promotion at `now` (database time). Earlier
    /// uses are not counted.
    ///
    /// # Errors
    /// [`Refusal`] says why not; the window is half-open, `starts_at <= now < ends_at`.
    pub fn check(&self, now: DateTime<Utc>, units: u32) -> Result<(), Refusal> {
        if self.starts_at.is_some_and(|start| now < start) {
            return Err(Refusal::NotStarted);
        }
        if self.ends_at.is_some_and(|end| end <= now) {
            return Err(Refusal::Expired);
        }
        if units < self.min_items {
            return Err(Refusal::TooFewItems {
                min_items: self.min_items,
            });
        }
        Ok(())
    }

    /// The discount on lines that add up to `subtotal`: rounded once, half up to the cent, then
    /// capped at `max_discount` and at the subtotal.
    pub fn discount(&self, lines: &[PricedLine], subtotal: Money) -> Money {
        let discount = match self.kind {
            PromotionKind::Percentage(hundredths) => share(subtotal, hundredths),
            PromotionKind::Fixed(amount) => amount,
            PromotionKind::CheapestItemFree => {
                lines.iter().map(|line| line.unit_price).min().unwrap_or_default()
            }
        };
        let cap = self.max_discount.map_or(subtotal, |most| most.min(subtotal));
        discount.min(cap)
    }
}

/// `hundredths` / 10,000 of a non-negative amount, half a cent rounded up.
fn share(amount: Money, hundredths: u16) -> Money {
    let exact = i128::from(amount.cents()) * i128::from(hundredths);
    let rounded = (exact + 5_000) / 10_000;
    // At most the amount itself, as hundredths is at most 10,000.
    i64::try_from(rounded).map_or(amount, Money::from_cents)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn promotion(kind: PromotionKind) -> Promotion {
        Promotion {
            code: CouponCode::parse("SAVE10").unwrap(),
            kind,
            min_items: 1,
            max_discount: None,
            starts_at: None,
            ends_at: None,
            max_uses: None,
        }
    }

    #[test]
    fn kinds_are_read_back() {
        for (name, cents) in [
            ("percentage", 1000),
            ("percentage", 10_000),
            ("fixed", 900),
            ("cheapest_item_free", 0),
        ] {
            let kind = PromotionKind::new(name, Money::from_cents(cents)).unwrap();
            assert_eq!((kind.name(), kind.value().cents()), (name, cents));
        }
    }

    #[test]
    fn values_out_of_range_are_refused() {
        for (name, cents) in [
            ("percentage", 0),
            ("percentage", 10_001),
            ("fixed", 0),
            ("cheapest_item_free", 1),
        ] {
            assert_eq!(
                PromotionKind::new(name, Money::from_cents(cents)),
                Err(NotAPromotion::Value),
                "{name} {cents}"
            );
        }
        assert_eq!(
            PromotionKind::new("half_price", Money::ZERO),
            Err(NotAPromotion::Kind)
        );
    }

    #[test]
    fn the_window_is_half_open() {
        let start = DateTime::UNIX_EPOCH;
        let end = start + TimeDelta::hours(1);
        let instant = TimeDelta::microseconds(1);
        let promotion = Promotion {
            starts_at: Some(start),
            ends_at: Some(end),
            ..promotion(PromotionKind::CheapestItemFree)
        };

        assert_eq!(promotion.check(start - instant, 1), Err(Refusal::NotStarted));
        assert_eq!(promotion.check(start, 1), Ok(()));
        assert_eq!(promotion.check(end - instant, 1), Ok(()));
        assert_eq!(promotion.check(end, 1), Err(Refusal::Expired));
    }

    #[test]
    fn too_few_units_are_refused() {
        let promotion = Promotion {
            min_items: 2,
            ..promotion(PromotionKind::CheapestItemFree)
        };
        assert_eq!(
            promotion.check(DateTime::UNIX_EPOCH, 1),
            Err(Refusal::TooFewItems { min_items: 2 })
        );
        assert_eq!(promotion.check(DateTime::UNIX_EPOCH, 2), Ok(()));
    }

    #[test]
    fn half_a_cent_is_rounded_up() {
        for (cents, hundredths, discount) in [
            (5, 1000, 1),
            (4, 1000, 0),
            (3597, 1000, 360),
            (1299, 1800, 234),
            (1, 10_000, 1),
        ] {
            assert_eq!(
                share(Money::from_cents(cents), hundredths).cents(),
                discount,
                "{cents} {hundredths}"
            );
        }
    }
}
