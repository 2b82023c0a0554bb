//! The totals of an order.

use crate::{Money, Promotion, Quantity};

/// One line of an order as pricing needs it: unit price and quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PricedLine {
    /// Price of one unit.
    pub unit_price: Money,
    /// Units.
    pub quantity: Quantity,
}

/// The totals of an order: `total = subtotal − discount`, none of them negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Sum of unit price times quantity.
    pub subtotal: Money,
    /// The promotion's discount, at most the subtotal.
    pub discount: Money,
    /// The amount to pay.
    pub total: Money,
}

/// The order costs more than [`Money::MAX_TOTAL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an order costs at most {max} before discounts", max = Money::MAX_TOTAL)]
pub struct TotalTooLarge;

/// Sum of unit price times quantity.
///
/// # Errors
/// [`TotalTooLarge`] above [`Money::MAX_TOTAL`].
pub fn subtotal(lines: &[PricedLine]) -> Result<Money, TotalTooLarge> {
    lines
        .iter()
        .try_fold(Money::ZERO, |sum, line| {
            sum.checked_add(line.unit_price.checked_mul(line.quantity.units().into())?)
        })
        .filter(|sum| *sum <= Money::MAX_TOTAL)
        .ok_or(TotalTooLarge)
}

impl Totals {
    /// Prices the lines; the promotion, if any, must have been checked.
    ///
    /// # Errors
    /// [`TotalTooLarge`] above [`Money::MAX_TOTAL`].
    pub fn of(lines: &[PricedLine], promotion: Option<&Promotion>) -> Result<Totals, TotalTooLarge> {
        let subtotal = subtotal(lines)?;
        let discount = promotion.map_or(Money::ZERO, |promotion| promotion.discount(lines, subtotal));
        let total = subtotal.checked_sub(discount).ok_or(TotalTooLarge)?;
        Ok(Totals {
            subtotal,
            discount,
            total,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rust_decimal::{Decimal, RoundingStrategy};

    use super::*;
    use crate::{CouponCode, PromotionKind};

    fn lines(lines: &[(i64, i64)]) -> Vec<PricedLine> {
        let line = |&(cents, units): &(i64, i64)| PricedLine {
            unit_price: Money::from_cents(cents),
            quantity: Quantity::new(units).unwrap(),
        };
        lines.iter().map(line).collect()
    }

    fn promotion(kind: PromotionKind, max_discount: Option<i64>) -> Promotion {
        Promotion {
            code: CouponCode::parse("CODE").unwrap(),
            kind,
            min_items: 1,
            max_discount: max_discount.map(Money::from_cents),
            starts_at: None,
            ends_at: None,
            max_uses: None,
        }
    }

    #[test]
    fn orders_are_priced_as_by_hand() {
        use PromotionKind::{CheapestItemFree, Fixed, Percentage};
        let two_waffles_and_pancakes = [(1299, 2), (999, 1)];
        for (kind, cap, discount) in [
            (Percentage(1000), None, 360),
            (Percentage(1000), Some(300), 300),
            (Percentage(10_000), None, 3597),
            (Fixed(Money::from_cents(900)), None, 900),
            (Fixed(Money::from_cents(9000)), None, 3597),
            (CheapestItemFree, None, 999),
        ] {
            let totals = Totals::of(&lines(&two_waffles_and_pancakes), Some(&promotion(kind, cap))).unwrap();
            assert_eq!(totals.subtotal.cents(), 3597);
            assert_eq!(totals.discount.cents(), discount, "{kind:?} {cap:?}");
            assert_eq!(totals.total.cents(), 3597 - discount);
        }
    }

    #[test]
    fn a_total_that_no_column_holds_is_refused() {
        let dearest = (Money::MAX_PRICE.cents(), 1000);
        assert!(subtotal(&lines(&[dearest; 9])).is_ok());
        assert_eq!(subtotal(&lines(&[dearest; 11])), Err(TotalTooLarge));
    }

    /// The discount computed with arbitrary decimals instead of integers.
    fn decimal_discount(kind: PromotionKind, cap: Option<i64>, lines: &[(i64, i64)]) -> Decimal {
        let cents = |cents: i64| Decimal::new(cents, 2);
        let subtotal: Decimal = lines
            .iter()
            .map(|&(price, units)| cents(price) * Decimal::from(units))
            .sum();
        let exact = match kind {
            PromotionKind::Percentage(hundredths) => subtotal * Decimal::new(hundredths.into(), 4),
            PromotionKind::Fixed(amount) => cents(amount.cents()),
            PromotionKind::CheapestItemFree => cents(lines.iter().map(|line| line.0).min().unwrap()),
        };
        let rounded = exact.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
        rounded.min(cap.map_or(Decimal::MAX, cents)).min(subtotal)
    }

    fn any_kind() -> impl Strategy<Value = PromotionKind> {
        prop_oneof![
            (1u16..=10_000).prop_map(PromotionKind::Percentage),
            (1i64..=5_000_000).prop_map(|cents| PromotionKind::Fixed(Money::from_cents(cents))),
            Just(PromotionKind::CheapestItemFree),
        ]
    }

    proptest! {
        #[test]
        fn totals_are_exact_and_never_negative(
            bought in prop::collection::vec((0i64..=1_000_000, 1i64..=1000), 1..=100),
            kind in any_kind(),
            cap in prop::option::of(1i64..=1_000_000),
        ) {
            let totals = Totals::of(&lines(&bought), Some(&promotion(kind, cap))).unwrap();

            prop_assert!(totals.total >= Money::ZERO && totals.discount >= Money::ZERO);
            prop_assert!(totals.discount <= totals.subtotal);
            prop_assert_eq!(totals.total.cents(), totals.subtotal.cents() - totals.discount.cents());
            prop_assert_eq!(Decimal::new(totals.discount.cents(), 2), decimal_discount(kind, cap, &bought));
        }

        #[test]
        fn a_larger_order_never_costs_less(
            bought in prop::collection::vec((0i64..=1_000_000, 1i64..=999), 1..=20),
            hundredths in 1u16..=10_000,
        ) {
            let promotion = promotion(PromotionKind::Percentage(hundredths), None);
            let more: Vec<_> = bought.iter().map(|&(price, units)| (price, units + 1)).collect();
            let before = Totals::of(&lines(&bought), Some(&promotion)).unwrap();
            let after = Totals::of(&lines(&more), Some(&promotion)).unwrap();
            prop_assert!(before.total <= after.total);
        }
    }
}
