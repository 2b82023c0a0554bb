//! Orders: placing one, reading them back.
//!
//! `handlers`, `list`, `events` (HTTP) → `place` (the rules) → `store` → `writer`, `queries` and
//! `states` (the database), `reads` in front of `queries`; `status` is what becomes of an order
//! afterwards; `request` and `answer` are what goes over the wire; `idempotency` makes repeated
//! requests harmless; `cells` makes ids.

mod answer;
mod cells;
pub(crate) mod events;
mod groups;
pub(crate) mod handlers;
mod idempotency;
pub(crate) mod list;
mod place;
mod queries;
pub(crate) mod reads;
mod request;
mod settings;
pub(crate) mod states;
pub(crate) mod status;
mod store;
mod with_lines;
mod writer;

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use job_queue::NewJob;
use shop::{CouponCode, Money, PricedLine, Product, ProductId, Quantity, Totals};
use uuid::Uuid;

use crate::reference_data::ApiKeyId;
#[cfg(test)]
use crate::reference_data::Snapshot;

pub(crate) use answer::OrderAnswer;
pub(crate) use cells::Cells;
pub use idempotency::{IdempotencyClaim, IdempotencyKey};
pub(crate) use idempotency::{expiry, sweep};
pub(crate) use place::{PlaceError, Placed, Shown, place, totals};
pub(crate) use queries::{coupon_use, orders_at, orders_of};
pub(crate) use reads::OrderReads;
pub(crate) use request::{Item, OrderRequest, Text};
pub(crate) use settings::ENVIRONMENT;
pub use settings::Settings;
pub(crate) use status::ReadyIn;
pub(crate) use store::OrderStore;
#[cfg(feature = "bench")]
pub use store::Substitute;
pub use store::{Cause, NotStored, Stored};
pub(crate) use writer::{Writer, WriterParts};

/// An order: its lines and prices, and the API key that placed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// UUID version 7: sorts by the time at which the order was taken.
    pub id: Uuid,
    /// The id of the API key that placed it.
    pub api_key: ApiKeyId,
    /// 1 to 100 lines, one per product, in the order of the request.
    pub lines: Vec<OrderLine>,
    /// The accepted coupon code.
    pub coupon_code: Option<CouponCode>,
    /// Subtotal, discount and total.
    pub totals: Totals,
}

/// One product of an order, as the catalogue described it at that time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderLine {
    /// The product's id.
    pub product: ProductId,
    /// Its name.
    pub name: Arc<str>,
    /// Its category.
    pub category: Arc<str>,
    /// Price of one unit.
    pub unit_price: Money,
    /// Units, 1 to 1,000.
    pub quantity: Quantity,
}

/// An order to be stored.
#[derive(Clone, Debug)]
pub struct NewOrder {
    /// The order.
    pub order: Order,
    /// The check of its coupon.
    pub coupon_check: CouponCheck,
    /// The Idempotency-Key under which its answer is remembered.
    pub claim: Option<(Arc<IdempotencyClaim>, Bytes)>,
    /// Jobs that are stored with it, all or nothing.
    pub jobs: Vec<NewJob>,
}

/// The check of a coupon in the transaction that stores the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CouponCheck {
    /// Nothing, or there is no coupon.
    None,
    /// The uses of its promotion, at most this many in all.
    Counted(u64),
    /// Whether it is one of the bulk codes under this version.
    Listed(i64),
}

/// Why a coupon could not be redeemed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unredeemable {
    /// Its promotion was used as often as it may be.
    #[error("the coupon code has been used up")]
    SoldOut,
    /// It is not among the bulk codes.
    #[error("the coupon code is not known")]
    Unknown,
}

/// The order of a request, priced as [`place`] does it.
#[cfg(test)]
pub(crate) fn priced(snapshot: &Snapshot, request: OrderRequest<'_>) -> Result<Order, PlaceError> {
    place::price(snapshot, &Cells::default(), Uuid::nil(), request).map(|(order, _)| order)
}

impl OrderLine {
    /// So many units of a product as it is sold now.
    pub(crate) fn of(product: &Product, quantity: Quantity) -> OrderLine {
        OrderLine {
            product: product.id,
            name: product.name.clone(),
            category: product.category.clone(),
            unit_price: product.price,
            quantity,
        }
    }

    /// What its units cost.
    pub(crate) fn amount(&self) -> Money {
        let amount = self.unit_price.checked_mul(self.quantity.units().into());
        amount.unwrap_or_default()
    }

    fn priced(&self) -> PricedLine {
        PricedLine {
            unit_price: self.unit_price,
            quantity: self.quantity,
        }
    }
}

/// When an order was placed, as its id says; `None` for an id that does not tell it.
pub(crate) fn placed_at(order: Uuid) -> Option<DateTime<Utc>> {
    let (seconds, nanoseconds) = order.get_timestamp()?.to_unix();
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanoseconds)
}

/// A page boundary of the order list: the id of the last order shown.
type Cursor = Uuid;
