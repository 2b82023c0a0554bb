//! What every page shows around its content.

use pages::{Assets, Currency};
use shop::Money;

use super::cart::Cart;
use super::pricing::{self, PricedCart};
use crate::reference_data::Snapshot;

/// Passed to every template.
pub(crate) struct Frame<'a> {
    /// Styles, scripts and pictures.
    pub(crate) assets: &'a Assets,
    pub(crate) money: Currency,
    pub(crate) cart: Badge,
    /// Whether orders are taken.
    pub(crate) open: bool,
}

/// Units in the cart that can be ordered, and what they cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Badge {
    pub(crate) units: u32,
    /// `None` when it cannot be said.
    pub(crate) total: Option<Money>,
}

impl Badge {
    /// That of `cart`, priced now.
    pub(crate) fn of(cart: &Cart, snapshot: &Snapshot) -> Badge {
        match cart.is_empty() {
            true => Badge::default(),
            false => Badge::priced(&pricing::price(snapshot, cart)),
        }
    }

    /// That of a cart with its prices.
    pub(super) fn priced(cart: &PricedCart) -> Badge {
        Badge {
            units: cart.units(),
            total: cart.totals.map(|totals| totals.total),
        }
    }
}
