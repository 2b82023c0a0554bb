//! What every page shows around its content.

use pages::{Assets, Currency};
use shop::Money;

use super::cart::Cart;
use super::pricing::{self, PricedCart};
use crate::reference_data::Snapshot;

/// Passed to every template.
pub(crate) struct Frame<'a> {
    pub(crate) urls: &'a Urls,
    pub(crate) money: Currency,
    pub(crate) cart: Badge,
    /// Whether orders are taken.
    pub(crate) open: bool,
}

/// The addresses of styles, scripts and pictures.
pub(crate) struct Urls {
    pub(crate) style: String,
    pub(crate) cart: String,
    pub(crate) live: String,
    pub(crate) time: String,
    pub(crate) food: String,
    pub(crate) icon: String,
}

/// Units in the cart that can be ordered, and what they cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Badge {
    pub(crate) units: u32,
    /// `None` when it cannot be said.
    pub(crate) total: Option<Money>,
}

impl Urls {
    pub(crate) fn of(assets: &Assets) -> Urls {
        let address = |name| assets.address(name).to_owned();
        Urls {
            style: address("site.css"),
            cart: address("cart.js"),
            live: address("live.js"),
            time: address("time.js"),
            food: address("food.svg"),
            icon: address("icon.svg"),
        }
    }
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
