//! Orders: placing one, reading them back.
//!
//! `handlers` (HTTP) → `place` (the rules) → `store` and `queries` (the database); `request` and `answer` are what goes
//! over the wire.

mod answer;
pub(crate) mod handlers;
mod place;
mod queries;
mod request;
mod store;

use shop::{CouponCode, Money, PricedLine, ProductId, Quantity, Totals};
use uuid::Uuid;

use crate::snapshot::ApiKeyId;

use answer::OrderAnswer;
pub(crate) use handlers::routes;
pub(crate) use store::OrderStore;

/// An order: what was ordered, by whom, at which prices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) id: Uuid,
    pub(crate) api_key: ApiKeyId,
    pub(crate) lines: Vec<OrderLine>,
    pub(crate) coupon_code: Option<CouponCode>,
    pub(crate) totals: Totals,
}

/// One product of an order, as the catalogue described it at that time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OrderLine {
    pub(crate) product: ProductId,
    pub(crate) name: String,
    pub(crate) category: String,
    pub(crate) unit_price: Money,
    pub(crate) quantity: Quantity,
}

/// An order to be stored, and how often its promotion may be used in all.
#[derive(Clone, Debug)]
pub(crate) struct NewOrder {
    pub(crate) order: Order,
    pub(crate) limited_to: Option<u64>,
}

impl OrderLine {
    fn priced(&self) -> PricedLine {
        PricedLine {
            unit_price: self.unit_price,
            quantity: self.quantity,
        }
    }
}

/// A page boundary of the order list: the id of the last order shown.
type Cursor = Uuid;
