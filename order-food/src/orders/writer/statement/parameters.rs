//! The parameters of the statements that write orders.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use database::amount::Amount;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::orders::idempotency::LIFETIME_HOURS;
use crate::orders::writer::queue::QueuedOrder;
use crate::orders::{CouponCheck, Order};

/// The columns of a batch as the statements take them.
#[derive(Default)]
pub(crate) struct Columns<'a> {
    id: Vec<Uuid>,
    api_key: Vec<Uuid>,
    coupon_code: Vec<Option<&'a str>>,
    subtotal: Vec<Amount>,
    discount: Vec<Amount>,
    total: Vec<Amount>,
    line_order: Vec<Uuid>,
    line: Vec<i16>,
    product: Vec<i64>,
    name: Vec<&'a str>,
    category: Vec<&'a str>,
    unit_price: Vec<Amount>,
    quantity: Vec<i32>,
}

/// What the claiming statement takes beside them: the Idempotency-Keys, sorted.
pub(crate) struct Claims<'a> {
    api_key: Vec<Uuid>,
    key: Vec<&'a str>,
    request_hash: Vec<&'a [u8]>,
    order: Vec<Uuid>,
    response: Vec<&'a [u8]>,
    lifetime_hours: i32,
}

/// What the checked statement takes beside them.
pub(crate) struct Checks<'a> {
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

/// What every statement takes at the end when orders of the batch have jobs.
pub(crate) struct Jobs<'a> {
    columns: job_queue::Columns<'a>,
    order: Vec<Uuid>,
}

/// Whether some of the batch have jobs.
pub(crate) fn has_jobs(batch: &[QueuedOrder]) -> bool {
    batch.iter().any(|queued| !queued.new_order().jobs.is_empty())
}

/// Whether the batch needs the checked statement, whatever else is in it.
pub(crate) fn needs_checks(batch: &[QueuedOrder]) -> bool {
    batch
        .iter()
        .any(|queued| queued.in_doubt || most_uses(queued).is_some())
}

/// Whether some of the batch have coupon codes that must be listed.
pub(crate) fn has_listed(batch: &[QueuedOrder]) -> bool {
    batch.iter().any(|queued| version(queued).is_some())
}

/// Whether some of the batch have Idempotency-Keys.
pub(crate) fn has_claims(batch: &[QueuedOrder]) -> bool {
    batch.iter().any(|queued| queued.new_order().claim.is_some())
}

/// The limited promotions of the batch.
pub(crate) fn limited_codes(batch: &[QueuedOrder]) -> BTreeSet<&str> {
    batch.iter().filter_map(limited_code).collect()
}

pub(crate) fn limited_code(queued: &QueuedOrder) -> Option<&str> {
    most_uses(queued)?;
    queued
        .new_order()
        .order
        .coupon_code
        .as_ref()
        .map(|code| code.as_str())
}

fn most_uses(queued: &QueuedOrder) -> Option<i64> {
    match queued.new_order().coupon_check {
        CouponCheck::Counted(limit) => Some(i64::try_from(limit).unwrap_or(i64::MAX)),
        CouponCheck::None | CouponCheck::Listed(_) => None,
    }
}

/// For each order of the batch, the version under which its code must be listed.
pub(crate) fn versions(batch: &[QueuedOrder]) -> Vec<Option<i64>> {
    batch.iter().map(version).collect()
}

pub(crate) fn version(queued: &QueuedOrder) -> Option<i64> {
    match queued.new_order().coupon_check {
        CouponCheck::Listed(version) => Some(version),
        CouponCheck::None | CouponCheck::Counted(_) => None,
    }
}

impl<'a> Columns<'a> {
    pub(crate) fn of(batch: &'a [QueuedOrder]) -> Columns<'a> {
        let mut columns = Columns::default();
        for queued in batch {
            columns.push(&queued.new_order().order);
        }
        columns
    }

    fn push(&mut self, order: &'a Order) {
        self.id.push(order.id);
        self.api_key.push(order.api_key);
        self.coupon_code
            .push(order.coupon_code.as_ref().map(|code| code.as_str()));
        self.subtotal.push(Amount(order.totals.subtotal));
        self.discount.push(Amount(order.totals.discount));
        self.total.push(Amount(order.totals.total));
        for (position, line) in (1i16..).zip(&order.lines) {
            self.line_order.push(order.id);
            self.line.push(position);
            self.product.push(line.product.number());
            self.name.push(&line.name);
            self.category.push(&line.category);
            self.unit_price.push(Amount(line.unit_price));
            self.quantity.push(line.quantity.units().into());
        }
    }

    /// $1 to $13.
    pub(crate) fn parameters(&self) -> [&(dyn ToSql + Sync); 13] {
        [
            &self.id,
            &self.api_key,
            &self.coupon_code,
            &self.subtotal,
            &self.discount,
            &self.total,
            &self.line_order,
            &self.line,
            &self.product,
            &self.name,
            &self.category,
            &self.unit_price,
            &self.quantity,
        ]
    }
}

impl<'a> Jobs<'a> {
    pub(crate) fn of(batch: &'a [QueuedOrder]) -> Jobs<'a> {
        let jobs = || batch.iter().flat_map(|queued| &queued.new_order().jobs);
        let order = |queued: &'a QueuedOrder| {
            let new = queued.new_order();
            std::iter::repeat_n(new.order.id, new.jobs.len())
        };
        Jobs {
            columns: job_queue::Columns::of(jobs()),
            order: batch.iter().flat_map(order).collect(),
        }
    }

    /// The orders of the jobs come last, where some may be left out.
    pub(crate) fn parameters(&self, conditional: bool) -> Vec<&(dyn ToSql + Sync)> {
        let mut parameters = self.columns.parameters().to_vec();
        if conditional {
            parameters.push(&self.order);
        }
        parameters
    }
}

impl<'a> Claims<'a> {
    pub(crate) fn of(batch: &'a [QueuedOrder]) -> Claims<'a> {
        let mut sorted: Vec<_> = batch
            .iter()
            .filter_map(|queued| Some((queued.new_order().order.id, queued.new_order().claim.as_ref()?)))
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
    pub(crate) fn parameters(&self) -> [&(dyn ToSql + Sync); 6] {
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
    pub(crate) fn of(batch: &'a [QueuedOrder]) -> Checks<'a> {
        let mut ranks: HashMap<&str, i64> = HashMap::new();
        let mut limits: BTreeMap<&str, i64> = BTreeMap::new();
        for queued in batch {
            if let (Some(code), Some(limit)) = (limited_code(queued), most_uses(queued)) {
                let known = limits.entry(code).or_default();
                *known = limit.max(*known);
            }
        }
        let rank = |queued: &'a QueuedOrder| {
            let rank = ranks.entry(limited_code(queued)?).or_default();
            *rank += 1;
            Some(*rank)
        };
        let claims = || batch.iter().map(|queued| queued.new_order().claim.as_ref());
        let with_claims = || claims().map(|claim| claim.map(|(claim, _)| claim));
        Checks {
            codes: limits.keys().copied().collect(),
            limits: limits.into_values().collect(),
            most_uses: batch.iter().map(most_uses).collect(),
            version: versions(batch),
            rank: batch.iter().map(rank).collect(),
            key: with_claims()
                .map(|claim| claim.map(|claim| claim.key.as_str()))
                .collect(),
            request_hash: with_claims()
                .map(|claim| claim.map(|claim| claim.request_hash.as_slice()))
                .collect(),
            response: claims()
                .map(|claim| claim.map(|(_, response)| response.as_ref()))
                .collect(),
            lifetime_hours: LIFETIME_HOURS.into(),
        }
    }

    /// $14 to $22.
    pub(crate) fn parameters(&self) -> [&(dyn ToSql + Sync); 9] {
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
