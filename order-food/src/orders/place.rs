//! The use case: check, price and store an order.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use job_queue::NewJob;
use shop::{CouponCode, Money, PricedLine, ProductId, Promotion, Quantity, TotalTooLarge, Totals};
use tokio::time::Instant;
use uuid::Uuid;

use super::request::{Item, MAX_ITEMS, OrderRequest, Text};
use super::{
    Cells, CouponCheck, IdempotencyClaim, NewOrder, NotStored, Order, OrderAnswer, OrderLine, Stored,
};
use crate::coupons::{self, Accepted, CouponError};
use crate::jobs::OrderWebhook;
use crate::reference_data::{ApiKeyId, Snapshot};
use crate::spans;
use crate::state::AppState;
use crate::webhooks::{Delivery, Event};

/// Why an order was not placed. Nothing was stored, but for `NotStored::Unknown`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceError {
    #[error("an order needs at least one item")]
    NoItems,
    #[error("an order has at most {MAX_ITEMS} items")]
    TooManyLines,
    #[error("item {line} has no {field}")]
    MissingField { line: usize, field: &'static str },
    #[error("the quantity of product {0} is outside 1 to {max}", max = Quantity::MAX)]
    QuantityOutOfRange(ProductId),
    #[error("there are no products with the ids {}", .0.join(", "))]
    UnknownProducts(Vec<String>),
    #[error(transparent)]
    TooLarge(#[from] TotalTooLarge),
    #[error(transparent)]
    NotACouponCode(#[from] shop::NotACouponCode),
    #[error(transparent)]
    Coupon(#[from] CouponError),
    #[error("the order is not what the customer was shown")]
    NotAsShown,
    #[error(transparent)]
    NotStored(#[from] NotStored),
    #[error("the answer cannot be written as JSON")]
    Unwritable(#[from] serde_json::Error),
}

/// An order is on disk.
#[derive(Debug)]
pub(crate) enum Placed {
    /// This one, with the bytes of its answer.
    Now(Uuid, Bytes, Totals),
    /// An earlier order under the same Idempotency-Key, with the bytes of its answer.
    Replayed(Bytes),
}

/// What a customer was shown before ordering: an order that differs is not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) total: Money,
    /// Product, units and price of one unit, in the order of the request.
    pub(crate) lines: Vec<(ProductId, Quantity, Money)>,
}

/// What most answers fit into: this, and so much for each line.
const ANSWER_BYTES: usize = 128;
const LINE_BYTES: usize = 160;

/// Checks, prices and stores an order, and returns once it is committed.
///
/// A request that was answered before is answered the same again, also when it would be refused by
/// now: the rules that count are those of its first time. With `shown`, the order is compared with
/// it in the state of the data that prices it.
pub(crate) async fn place(
    state: &AppState,
    snapshot: &Snapshot,
    key: ApiKeyId,
    request: OrderRequest<'_>,
    claim: Option<Arc<IdempotencyClaim>>,
    shown: Option<&Shown>,
) -> Result<Placed, PlaceError> {
    let deadline = Instant::now() + state.order_deadline;
    let priced = price(snapshot, &state.cells, key, request).and_then(|priced| match shown {
        Some(shown) if !shown.is(&priced.0) => Err(PlaceError::NotAsShown),
        _ => Ok(priced),
    });
    let (order, coupon_check) = match priced {
        Ok(priced) => priced,
        Err(refusal) => return Box::pin(replayed_or(state, claim, deadline, refusal)).await,
    };
    let mut answer = Vec::with_capacity(ANSWER_BYTES + order.lines.len() * LINE_BYTES);
    serde_json::to_writer(&mut answer, &OrderAnswer::of(&order))?;
    let (id, answer, totals) = (order.id, Bytes::from(answer), order.totals);
    let jobs = webhooks(state, snapshot, id)?;
    let has_jobs = !jobs.is_empty();
    let new = NewOrder {
        order,
        coupon_check,
        claim: claim.map(|claim| (claim, answer.clone())),
        jobs,
    };
    match state.orders.store(new, deadline).await? {
        Stored::Now => {
            state.live.placed();
            if has_jobs {
                state.queue.wake();
            }
            Ok(Placed::Now(id, answer, totals))
        }
        Stored::Replayed(answer) => Ok(Placed::Replayed(answer)),
    }
}

async fn replayed_or(
    state: &AppState,
    claim: Option<Arc<IdempotencyClaim>>,
    deadline: Instant,
    refusal: PlaceError,
) -> Result<Placed, PlaceError> {
    let Some(claim) = claim else { return Err(refusal) };
    match state.orders.find_replay(&claim, deadline).await? {
        Some(answer) => Ok(Placed::Replayed(answer)),
        None => Err(refusal),
    }
}

/// A job for each endpoint that wants to hear of orders. Nothing but a count comes of a full queue.
fn webhooks(state: &AppState, snapshot: &Snapshot, order: Uuid) -> serde_json::Result<Vec<NewJob>> {
    let mut jobs = Vec::new();
    for endpoint in &*snapshot.webhook_endpoints {
        let delivery = Delivery {
            endpoint: *endpoint,
            event: Event::OrderPlaced { order },
        };
        let job = NewJob::of::<OrderWebhook>(&delivery)?.trace(spans::traceparent());
        jobs.extend(state.queue.admit(job).ok().flatten());
    }
    Ok(jobs)
}

/// The order, checked and priced, and on what its coupon still depends.
pub(super) fn price(
    snapshot: &Snapshot,
    cells: &Cells,
    key: ApiKeyId,
    request: OrderRequest<'_>,
) -> Result<(Order, CouponCheck), PlaceError> {
    let lines = lines(snapshot, request.items.unwrap_or_default())?;
    let coupon_code = match request.coupon_code {
        Some(Text(code)) if !code.is_empty() => Some(CouponCode::parse(code)?),
        _ => None,
    };
    let (totals, coupon_check) = totals(snapshot, &lines, coupon_code.as_ref())?;
    let order = Order {
        id: cells.new_id(),
        api_key: key,
        lines,
        coupon_code,
        totals,
    };
    Ok((order, coupon_check))
}

/// The totals of these lines with this coupon, and on what the coupon still depends.
///
/// # Errors
/// When the coupon is not good for them, or they cost too much.
pub(crate) fn totals(
    snapshot: &Snapshot,
    lines: &[OrderLine],
    coupon: Option<&CouponCode>,
) -> Result<(Totals, CouponCheck), PlaceError> {
    let units = lines.iter().map(|line| u32::from(line.quantity.units())).sum();
    let (promotion, coupon_check) = match coupon {
        Some(code) => coupons::check(snapshot, code, units)?.terms(),
        None => (None, CouponCheck::None),
    };
    let priced: Vec<PricedLine> = lines.iter().map(OrderLine::priced).collect();
    Ok((Totals::of(&priced, promotion)?, coupon_check))
}

impl Shown {
    fn is(&self, order: &Order) -> bool {
        let lines = order
            .lines
            .iter()
            .map(|line| (line.product, line.quantity, line.unit_price));
        self.total == order.totals.total && self.lines.iter().copied().eq(lines)
    }
}

impl<'a> Accepted<'a> {
    /// The promotion that decides the discount, if any, and on what the coupon still depends.
    fn terms(self) -> (Option<&'a Promotion>, CouponCheck) {
        match self {
            Accepted::Promotion(promotion) => (
                Some(promotion),
                promotion.max_uses.map_or(CouponCheck::None, CouponCheck::Counted),
            ),
            Accepted::BulkCode => (None, CouponCheck::None),
            Accepted::BulkCodeIfListed(version) => (None, CouponCheck::Listed(version)),
        }
    }
}

/// One line per product in first-seen order, quantities added up, each product looked up in the
/// catalogue.
fn lines(snapshot: &Snapshot, items: Vec<Item<'_>>) -> Result<Vec<OrderLine>, PlaceError> {
    if items.is_empty() {
        return Err(PlaceError::NoItems);
    }
    if items.len() > MAX_ITEMS {
        return Err(PlaceError::TooManyLines);
    }
    let mut merged: Vec<(ProductId, i64)> = Vec::with_capacity(items.len());
    let mut unknown: Vec<Cow<'_, str>> = Vec::new();
    let mut below_one = None;
    for (index, item) in items.into_iter().enumerate() {
        let missing = |field| PlaceError::MissingField {
            line: index + 1,
            field,
        };
        let Text(text) = item.product_id.ok_or_else(|| missing("productId"))?;
        let quantity = item.quantity.ok_or_else(|| missing("quantity"))?;
        let Some(id) = ProductId::parse(&text)
            .ok()
            .filter(|id| snapshot.catalogue.product(*id).is_some())
        else {
            if !unknown.contains(&text) {
                unknown.push(text);
            }
            continue;
        };
        if quantity < 1 {
            below_one = below_one.or(Some(id));
        }
        // At most MAX_ITEMS: looking at all of them takes less than hashing.
        match merged.iter_mut().find(|(known, _)| *known == id) {
            Some((_, units)) => *units = units.saturating_add(quantity),
            None => merged.push((id, quantity)),
        }
    }
    if !unknown.is_empty() {
        return Err(PlaceError::UnknownProducts(
            unknown.iter().map(|text| shown(text)).collect(),
        ));
    }
    if let Some(id) = below_one {
        return Err(PlaceError::QuantityOutOfRange(id));
    }
    merged
        .into_iter()
        .map(|(id, units)| line(snapshot, id, units))
        .collect()
}

fn line(snapshot: &Snapshot, id: ProductId, units: i64) -> Result<OrderLine, PlaceError> {
    let quantity = Quantity::new(units).map_err(|_| PlaceError::QuantityOutOfRange(id))?;
    let product = snapshot
        .catalogue
        .product(id)
        .ok_or_else(|| PlaceError::UnknownProducts(vec![id.to_string()]))?;
    Ok(OrderLine::of(product, quantity))
}

/// A client's text, cut and without controls, for a message.
fn shown(text: &str) -> String {
    text.chars()
        .take(64)
        .map(|character| if character.is_control() { '�' } else { character })
        .collect()
}
