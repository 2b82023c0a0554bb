use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use database::amount::Amount;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::ticket::{Pending, Verdict};
use crate::orders::idempotency::LIFETIME_HOURS;
use crate::orders::{Redemption, Unredeemable};

/// The columns of a batch as the statements take them.
#[derive(Default)]
pub(super) struct Columns<'a> {
    orders: OrderColumns<'a>,
    lines: LineColumns<'a>,
}

#[derive(Default)]
struct OrderColumns<'a> {
    id: Vec<Uuid>,
    api_key: Vec<Uuid>,
    coupon_code: Vec<Option<&'a str>>,
    subtotal: Vec<Amount>,
    discount: Vec<Amount>,
    total: Vec<Amount>,
}

#[derive(Default)]
struct LineColumns<'a> {
    order: Vec<Uuid>,
    line: Vec<i16>,
    product: Vec<i64>,
    name: Vec<&'a str>,
    category: Vec<&'a str>,
    unit_price: Vec<Amount>,
    quantity: Vec<i32>,
}

/// What the claiming statement takes beside them: the Idempotency-Keys, sorted.
pub(super) struct Claims<'a> {
    api_key: Vec<Uuid>,
    key: Vec<&'a str>,
    request_hash: Vec<&'a [u8]>,
    order: Vec<Uuid>,
    response: Vec<&'a [u8]>,
    lifetime_hours: i32,
}

/// What the checked statement takes beside them.
pub(super) struct Checks<'a> {
    /// Limited promotions, each once.
    codes: Vec<&'a str>,
    /// The largest limit that an order of the batch knows for each.
    limits: Vec<i64>,
    most_uses: Vec<Option<i64>>,
    version: Vec<Option<i64>>,
    rank: Vec<Option<i64>>,
    key: Vec<Option<&'a str>>,
    request_hash: Vec<Option<&'a [u8]>>,
    response: Vec<Option<&'a [u8]>>,
    lifetime_hours: i32,
}

/// What the listed and the checked statement answer; the listed one admits and counts nothing.
#[derive(Default)]
pub(super) struct Marks {
    pub(super) placed: Vec<Uuid>,
    pub(super) admitted: Vec<Uuid>,
    pub(super) counted: Vec<String>,
}

/// Whether the batch needs the checked statement, whatever else is in it.
pub(super) fn needs_checks(batch: &[Pending]) -> bool {
    batch
        .iter()
        .any(|pending| pending.in_doubt || most_uses(pending).is_some())
}

/// Whether some of the batch have coupon codes that must be listed.
pub(super) fn has_listed(batch: &[Pending]) -> bool {
    batch.iter().any(|pending| version(pending).is_some())
}

/// Whether some of the batch have Idempotency-Keys.
pub(super) fn has_claims(batch: &[Pending]) -> bool {
    batch.iter().any(|pending| pending.ticket.new.claim.is_some())
}

/// The limited promotions of the batch.
pub(super) fn limited_codes(batch: &[Pending]) -> BTreeSet<&str> {
    batch.iter().filter_map(limited_code).collect()
}

pub(super) fn limited_code(pending: &Pending) -> Option<&str> {
    most_uses(pending)?;
    pending
        .ticket
        .new
        .order
        .coupon_code
        .as_ref()
        .map(|code| code.as_str())
}

fn most_uses(pending: &Pending) -> Option<i64> {
    match pending.ticket.new.redemption {
        Redemption::Limited(limit) => Some(i64::try_from(limit).unwrap_or(i64::MAX)),
        Redemption::Free | Redemption::Listed(_) => None,
    }
}

/// For each order of the batch, the version under which its code must be listed.
pub(super) fn versions(batch: &[Pending]) -> Vec<Option<i64>> {
    batch.iter().map(version).collect()
}

fn version(pending: &Pending) -> Option<i64> {
    match pending.ticket.new.redemption {
        Redemption::Listed(version) => Some(version),
        Redemption::Free | Redemption::Limited(_) => None,
    }
}

impl<'a> Columns<'a> {
    pub(super) fn of(batch: &'a [Pending]) -> Columns<'a> {
        let mut columns = Columns::default();
        for pending in batch {
            columns.push(pending);
        }
        columns
    }

    fn push(&mut self, pending: &'a Pending) {
        let order = &pending.ticket.new.order;
        let Columns { orders, lines } = self;
        orders.id.push(order.id);
        orders.api_key.push(order.api_key);
        orders
            .coupon_code
            .push(order.coupon_code.as_ref().map(|code| code.as_str()));
        orders.subtotal.push(Amount(order.totals.subtotal));
        orders.discount.push(Amount(order.totals.discount));
        orders.total.push(Amount(order.totals.total));
        for (position, line) in (1i16..).zip(&order.lines) {
            lines.order.push(order.id);
            lines.line.push(position);
            lines.product.push(line.product.number());
            lines.name.push(&line.name);
            lines.category.push(&line.category);
            lines.unit_price.push(Amount(line.unit_price));
            lines.quantity.push(line.quantity.units().into());
        }
    }

    /// $1 to $13.
    pub(super) fn parameters(&self) -> [&(dyn ToSql + Sync); 13] {
        let Columns { orders, lines } = self;
        [
            &orders.id,
            &orders.api_key,
            &orders.coupon_code,
            &orders.subtotal,
            &orders.discount,
            &orders.total,
            &lines.order,
            &lines.line,
            &lines.product,
            &lines.name,
            &lines.category,
            &lines.unit_price,
            &lines.quantity,
        ]
    }
}

impl<'a> Claims<'a> {
    pub(super) fn of(batch: &'a [Pending]) -> Claims<'a> {
        let mut sorted: Vec<_> = batch
            .iter()
            .filter_map(|pending| Some((pending.ticket.new.order.id, pending.ticket.new.claim.as_ref()?)))
            .collect();
        sorted.sort_unstable_by_key(|(_, (claim, _))| (claim.api_key, &claim.key));
        let (claims, responses): (Vec<_>, Vec<_>) = sorted
            .iter()
            .map(|(_, (claim, response))| (claim, response.as_ref()))
            .unzip();
        Claims {
            api_key: claims.iter().map(|claim| claim.api_key).collect(),
            key: claims.iter().map(|claim| claim.key.as_str()).collect(),
            request_hash: claims.iter().map(|claim| claim.request_hash.as_slice()).collect(),
            order: sorted.iter().map(|(order, _)| *order).collect(),
            response: responses,
            lifetime_hours: LIFETIME_HOURS.into(),
        }
    }

    /// $14 to $19.
    pub(super) fn parameters(&self) -> [&(dyn ToSql + Sync); 6] {
        [
            &self.api_key,
            &self.key,
            &self.request_hash,
            &self.order,
            &self.response,
            &self.lifetime_hours,
        ]
    }
}

impl<'a> Checks<'a> {
    pub(super) fn of(batch: &'a [Pending]) -> Checks<'a> {
        let mut ranks: HashMap<&str, i64> = HashMap::new();
        let mut limits: BTreeMap<&str, i64> = BTreeMap::new();
        for pending in batch {
            if let (Some(code), Some(limit)) = (limited_code(pending), most_uses(pending)) {
                let known = limits.entry(code).or_default();
                *known = limit.max(*known);
            }
        }
        let mut checks = Checks {
            codes: limits.keys().copied().collect(),
            limits: limits.into_values().collect(),
            most_uses: Vec::with_capacity(batch.len()),
            version: versions(batch),
            rank: Vec::with_capacity(batch.len()),
            key: Vec::with_capacity(batch.len()),
            request_hash: Vec::with_capacity(batch.len()),
            response: Vec::with_capacity(batch.len()),
            lifetime_hours: LIFETIME_HOURS.into(),
        };
        for pending in batch {
            checks.most_uses.push(most_uses(pending));
            checks.rank.push(limited_code(pending).map(|code| {
                let rank = ranks.entry(code).or_default();
                *rank += 1;
                *rank
            }));
            let claim = pending.ticket.new.claim.as_ref();
            checks.key.push(claim.map(|(claim, _)| claim.key.as_str()));
            checks
                .request_hash
                .push(claim.map(|(claim, _)| claim.request_hash.as_slice()));
            checks.response.push(claim.map(|(_, response)| response.as_ref()));
        }
        checks
    }

    /// $14 to $22.
    pub(super) fn parameters(&self) -> [&(dyn ToSql + Sync); 9] {
        [
            &self.codes,
            &self.most_uses,
            &self.rank,
            &self.key,
            &self.request_hash,
            &self.response,
            &self.lifetime_hours,
            &self.limits,
            &self.version,
        ]
    }
}

impl Marks {
    /// The verdict on each order of the batch; `None`: to be tried again.
    ///
    /// An order beyond the rank that its promotion has left is sold out only if the ones before it really took their uses:
    /// one whose key was taken, or that was stored before, took none.
    pub(super) fn verdicts(&self, batch: &[Pending]) -> Vec<Option<Verdict>> {
        let placed: HashSet<Uuid> = self.placed.iter().copied().collect();
        let admitted: HashSet<Uuid> = self.admitted.iter().copied().collect();
        let counted: HashSet<&str> = self.counted.iter().map(String::as_str).collect();
        let unused: HashSet<&str> = batch
            .iter()
            .filter(|pending| {
                admitted.contains(&pending.ticket.new.order.id)
                    && !placed.contains(&pending.ticket.new.order.id)
            })
            .filter_map(limited_code)
            .collect();
        let verdict = |pending: &Pending| {
            let id = &pending.ticket.new.order.id;
            if placed.contains(id) {
                return Some(Verdict::Stored);
            }
            if admitted.contains(id) {
                return Some(match pending.ticket.new.claim {
                    Some(_) => Verdict::KeyTaken,
                    None => Verdict::Stored,
                });
            }
            if version(pending).is_some() {
                return Some(Verdict::Unredeemable(Unredeemable::Unknown));
            }
            limited_code(pending)
                .is_some_and(|code| counted.contains(code) && !unused.contains(code))
                .then_some(Verdict::Unredeemable(Unredeemable::SoldOut))
        };
        batch.iter().map(verdict).collect()
    }
}
