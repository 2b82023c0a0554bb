//! The cart, priced by the function that prices orders.

use shop::{CouponCode, Money, ProductId, Quantity, Refusal, Totals};

use super::cart::Cart;
use super::texts as t;
use crate::coupons::CouponError;
use crate::orders::{NotStored, OrderLine, PlaceError, Unredeemable, totals};
use crate::reference_data::Snapshot;

/// A cart with the prices of a snapshot.
pub(crate) struct PricedCart {
    /// The lines that can be ordered.
    pub(crate) lines: Vec<OrderLine>,
    /// The products that are no longer sold.
    pub(crate) gone: Vec<(ProductId, Quantity)>,
    /// Of the lines that can be ordered; `None`: they cost too much.
    pub(crate) totals: Option<Totals>,
    /// Whether the coupon is part of the totals.
    pub(crate) coupon: Coupon,
}

/// What a coupon does to a cart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Coupon {
    /// There is none.
    None,
    /// It is part of the totals.
    Accepted,
    /// It is not, for the reason of this sentence.
    Refused(String),
}

/// The cart in this state of the data.
pub(crate) fn price(snapshot: &Snapshot, cart: &Cart) -> PricedCart {
    let mut lines = Vec::with_capacity(cart.lines().len());
    let mut gone = Vec::new();
    for (id, quantity) in cart.lines() {
        match snapshot.catalogue.product(*id) {
            Some(product) => lines.push(OrderLine::of(product, *quantity)),
            None => gone.push((*id, *quantity)),
        }
    }
    let without = |coupon| {
        let plain = totals(snapshot, &lines, None).ok();
        (plain.map(|(totals, _)| totals), coupon)
    };
    let (totals, coupon) = match totals(snapshot, &lines, cart.coupon.as_ref()) {
        _ if lines.is_empty() => (Some(ZERO), Coupon::None),
        Ok((totals, _)) if cart.coupon.is_some() => (Some(totals), Coupon::Accepted),
        Ok((totals, _)) => (Some(totals), Coupon::None),
        Err(problem) => without(coupon_sentence(&problem).map_or(Coupon::None, Coupon::Refused)),
    };
    PricedCart {
        lines,
        gone,
        totals,
        coupon,
    }
}

/// The totals of nothing.
pub(super) const ZERO: Totals = Totals {
    subtotal: Money::ZERO,
    discount: Money::ZERO,
    total: Money::ZERO,
};

impl PricedCart {
    /// Units of what can be ordered.
    pub(super) fn units(&self) -> u32 {
        let units = self.lines.iter().map(|line| u32::from(line.quantity.units()));
        units.sum()
    }

    /// The same cart without its coupon, which is refused for the reason of this sentence.
    pub(super) fn without_coupon(self, snapshot: &Snapshot, sentence: &str) -> PricedCart {
        PricedCart {
            totals: totals(snapshot, &self.lines, None).ok().map(|(totals, _)| totals),
            coupon: Coupon::Refused(sentence.to_owned()),
            ..self
        }
    }
}

/// Why an order was refused, where the coupon is the reason: a sentence for each.
pub(crate) fn coupon_sentence(problem: &PlaceError) -> Option<String> {
    let sentence = match problem {
        PlaceError::NotACouponCode(_) => t::COUPON_INVALID,
        PlaceError::Coupon(CouponError::Unknown)
        | PlaceError::NotStored(NotStored::Unredeemable(Unredeemable::Unknown)) => t::COUPON_UNKNOWN,
        PlaceError::Coupon(CouponError::Refused(Refusal::NotStarted)) => t::COUPON_NOT_STARTED,
        PlaceError::Coupon(CouponError::Refused(Refusal::Expired)) => t::COUPON_EXPIRED,
        PlaceError::Coupon(CouponError::Refused(Refusal::TooFewItems { min_items })) => {
            return Some(t::too_few_items(*min_items));
        }
        PlaceError::NotStored(NotStored::Unredeemable(Unredeemable::SoldOut)) => t::COUPON_SOLD_OUT,
        _ => return None,
    };
    Some(sentence.to_owned())
}

/// What a page showed of a cart's lines, as its form sends it back: `{id}x{units}@{cents}-…`.
pub(crate) fn seen_text(lines: &[OrderLine]) -> String {
    let line = |line: &OrderLine| {
        format!(
            "{}x{}@{}",
            line.product,
            line.quantity.units(),
            line.unit_price.cents()
        )
    };
    lines.iter().map(line).collect::<Vec<_>>().join("-")
}

/// The lines of such a text; `None` for any other.
pub(crate) fn seen(text: &str) -> Option<Vec<(ProductId, Quantity, Money)>> {
    let line = |line: &str| {
        let (id, rest) = line.split_once('x')?;
        let (units, cents) = rest.split_once('@')?;
        let quantity = Quantity::new(units.parse().ok()?).ok()?;
        let cents = cents.parse().ok().filter(|cents| *cents >= 0)?;
        Some((ProductId::parse(id).ok()?, quantity, Money::from_cents(cents)))
    };
    text.split('-').map(line).collect()
}

/// A coupon code as a customer typed it: blanks around it are a slip, its letters are not.
pub(crate) fn typed_code(text: &str) -> Result<CouponCode, shop::NotACouponCode> {
    CouponCode::parse(text.trim())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shop::{Product, Promotion, PromotionKind};

    use super::*;
    use crate::orders::priced;
    use crate::storefront::cart::Cart;

    const PRODUCTS: i64 = 8;

    fn product(id: i64, cents: i64) -> Product {
        Product {
            id: ProductId::new(id).unwrap(),
            name: "Food".into(),
            price: Money::from_cents(cents),
            category: "Food".into(),
            image: None,
        }
    }

    /// Every kind, with and without a cap, and one that needs many units.
    fn promotions() -> Vec<Promotion> {
        let kinds = [
            PromotionKind::Percentage(1),
            PromotionKind::Percentage(1_000),
            PromotionKind::Percentage(3_333),
            PromotionKind::Percentage(10_000),
            PromotionKind::Fixed(Money::from_cents(1)),
            PromotionKind::Fixed(Money::from_cents(900)),
            PromotionKind::CheapestItemFree,
        ];
        let mut promotions = Vec::new();
        for kind in kinds {
            for (max_discount, min_items) in [(None, 1), (Some(500), 1), (None, 20)] {
                promotions.push(Promotion {
                    code: CouponCode::parse(format!("CODE{}", promotions.len())).unwrap(),
                    kind,
                    min_items,
                    max_discount: max_discount.map(Money::from_cents),
                    starts_at: None,
                    ends_at: None,
                    max_uses: None,
                });
            }
        }
        promotions
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        /// The cart's page and the order, to the cent, with every promotion; products of the cart
        /// that are not sold are no part of either.
        #[test]
        fn a_cart_costs_what_its_order_costs(
            prices in prop::collection::vec(0_i64..1_000_000, PRODUCTS as usize),
            lines in prop::collection::vec((1..=PRODUCTS + 1, 1_i64..=1_000), 1..12),
        ) {
            let sold: Vec<Product> = (1..).zip(&prices).map(|(id, cents)| product(id, *cents)).collect();
            let snapshot = Snapshot::of(sold, promotions());
            let mut cart = Cart::default();
            for (id, units) in lines {
                cart.set(ProductId::new(id).unwrap(), Quantity::new(units).unwrap()).unwrap();
            }
            let mut sold = cart.clone();
            sold.retain(|id| id.number() <= PRODUCTS);
            let codes = promotions().into_iter().map(|promotion| Some(promotion.code));
            for coupon in codes.chain([None]) {
                (cart.coupon, sold.coupon) = (coupon.clone(), coupon);
                let shown = price(&snapshot, &cart);
                if sold.is_empty() {
                    prop_assert_eq!(shown.totals, Some(ZERO));
                    continue;
                }
                match priced(&snapshot, sold.order_request()) {
                    Ok(order) => {
                        prop_assert_eq!(shown.totals, Some(order.totals));
                        prop_assert_eq!(shown.lines, order.lines);
                        prop_assert_eq!(shown.coupon == Coupon::Accepted, sold.coupon.is_some());
                    }
                    Err(problem) => {
                        prop_assert_eq!(shown.coupon, coupon_sentence(&problem).map_or(Coupon::None, Coupon::Refused));
                        sold.coupon = None;
                        let plain = priced(&snapshot, sold.order_request()).unwrap();
                        prop_assert_eq!(shown.totals, Some(plain.totals));
                    }
                }
            }
        }
    }

    #[test]
    fn what_was_seen_comes_back_and_nothing_else_is_read() {
        let line = OrderLine::of(&product(7, 1399), Quantity::new(2).unwrap());
        let text = seen_text(&[line.clone(), line]);
        let one = (
            ProductId::new(7).unwrap(),
            Quantity::new(2).unwrap(),
            Money::from_cents(1399),
        );

        assert_eq!(text, "7x2@1399-7x2@1399");
        assert_eq!(seen(&text), Some(vec![one, one]));
        for wrong in [
            "",
            "7",
            "7x2",
            "7x2@",
            "7x2@-1",
            "7x0@1",
            "07x1@1",
            "7x2@1.5",
            "7x2@1399-",
        ] {
            assert_eq!(seen(wrong), None, "{wrong}");
        }
    }
}
