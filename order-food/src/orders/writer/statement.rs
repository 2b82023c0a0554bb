//! The statements that write orders, each one transaction, and their parameters.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use database::amount::Amount;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::queue::QueuedOrder;
use crate::orders::idempotency::LIFETIME_HOURS;
use crate::orders::{CouponCheck, Order};

/// A statement that stores a batch, with or without jobs of its orders.
///
/// Parameters of all: the columns of the orders, then those of their lines. `unnest` stands in the
/// SELECT list: in FROM, each column would be written to a buffer first.
pub(super) struct Template {
    /// The queries of its WITH.
    with: &'static str,
    /// Its last query.
    last: &'static str,
    /// Parameters that it takes without jobs.
    parameters: usize,
    /// Whether an order of the batch may be left out, and its jobs with it.
    pub(super) conditional: bool,
}

const LINES: &str = "
    INSERT INTO order_items (order_id, line, product_id, product_name, category, unit_price, quantity)
    SELECT unnest($7::uuid[]), unnest($8::smallint[]), unnest($9::bigint[]), unnest($10::text[]),
        unnest($11::text[]), unnest($12::numeric[]), unnest($13::integer[])";

/// Orders that were never sent before, without a limited promotion or an Idempotency-Key: their ids
/// are new, so nothing can conflict.
pub(super) const STORE: Template = Template {
    with: "placed AS (
        INSERT INTO orders (id, api_key_id, coupon_code, subtotal, discount, total)
        SELECT unnest($1::uuid[]), unnest($2::uuid[]), unnest($3::text[]),
            unnest($4::numeric[]), unnest($5::numeric[]), unnest($6::numeric[])
    )",
    last: LINES,
    parameters: 13,
    conditional: false,
};

/// The same with Idempotency-Keys, as long as no other order has one of them: then it is refused as
/// a whole (23505), and [`STORE_CHECKED`] sorts it out. An order whose key is free costs PostgreSQL
/// 30 % less this way.
///
/// Keys come in order, so that two batches never wait for each other.
pub(super) const STORE_CLAIMING: Template = Template {
    with: "claimed AS (
        INSERT INTO idempotency_keys (api_key_id, key, request_hash, order_id, response, expires_at)
        SELECT unnest($14::uuid[]), unnest($15::text[]), unnest($16::bytea[]), unnest($17::uuid[]), unnest($18::bytea[]),
            now() + make_interval(hours => $19::integer)
    ),
    placed AS (
        INSERT INTO orders (id, api_key_id, coupon_code, subtotal, discount, total)
        SELECT unnest($1::uuid[]), unnest($2::uuid[]), unnest($3::text[]),
            unnest($4::numeric[]), unnest($5::numeric[]), unnest($6::numeric[])
    )",
    last: LINES,
    parameters: 19,
    conditional: false,
};

/// The same as [`STORE`], without the orders whose coupon code is not listed: $14 is the version
/// under which each must be, null if it need not. One row: the ids placed.
///
/// A scalar subquery is one look-up in the index each time; EXISTS may become a hash of the whole
/// table.
pub(super) const STORE_LISTED: Template = Template {
    with: "placed AS (
        INSERT INTO orders (id, api_key_id, coupon_code, subtotal, discount, total)
        SELECT id, api_key_id, coupon_code, subtotal, discount, total
        FROM (
            SELECT unnest($1::uuid[]) AS id, unnest($2::uuid[]) AS api_key_id, unnest($3::text[]) AS coupon_code,
                unnest($4::numeric[]) AS subtotal, unnest($5::numeric[]) AS discount, unnest($6::numeric[]) AS total,
                unnest($14::bigint[]) AS version
        ) AS batch
        WHERE version IS NULL OR (
            SELECT true FROM coupon_codes
            WHERE coupon_codes.version = batch.version AND coupon_codes.code = batch.coupon_code
        )
        RETURNING id
    ),
    lines AS (
        INSERT INTO order_items (order_id, line, product_id, product_name, category, unit_price, quantity)
        SELECT * FROM (
            SELECT unnest($7::uuid[]) AS order_id, unnest($8::smallint[]), unnest($9::bigint[]), unnest($10::text[]),
                unnest($11::text[]), unnest($12::numeric[]), unnest($13::integer[])
        ) AS line
        WHERE order_id IN (SELECT id FROM placed)
    )",
    last: "
    SELECT ARRAY(SELECT id FROM placed)",
    parameters: 14,
    conditional: true,
};

/// Everything an order can ask for, and any order again.
///
/// - `counted` locks the rows of the limited promotions that have uses left, in code order so that
///   two batches never wait for each other, and reads how often they were used. Sold-out ones stay
///   unlocked: a batch of nothing else writes nothing.
/// - `admitted` leaves out the orders beyond the limit (`rank` numbers the orders of one code), and
///   those whose code is not listed.
/// - `claimed` takes the Idempotency-Keys, in key order; an expired one counts as free.
/// - `placed` inserts what is admitted and has its key. An id that is there already was stored by
///   an earlier attempt; if that attempt is still in progress, the insert waits for its end.
/// - `used` adds what was inserted to the promotions; `promotion_use` says which orders that were.
///
/// One row: the ids placed, the ids admitted, the codes whose uses are counted at all.
pub(super) const STORE_CHECKED: Template = Template {
    with: "counted AS MATERIALIZED (
        SELECT code, uses FROM promotion_uses
        WHERE code = ANY($14::text[]) AND uses < ($21::bigint[])[array_position($14::text[], code)]
        ORDER BY code FOR UPDATE
    ),
    admitted AS MATERIALIZED (
        SELECT batch.*
        FROM (
            SELECT unnest($1::uuid[]) AS id, unnest($2::uuid[]) AS api_key_id, unnest($3::text[]) AS coupon_code,
                unnest($4::numeric[]) AS subtotal, unnest($5::numeric[]) AS discount, unnest($6::numeric[]) AS total,
                unnest($15::bigint[]) AS most_uses, unnest($16::bigint[]) AS rank, unnest($22::bigint[]) AS version,
                unnest($17::text[]) AS key, unnest($18::bytea[]) AS request_hash, unnest($19::bytea[]) AS response
        ) AS batch
        LEFT JOIN counted ON counted.code = batch.coupon_code
        WHERE (batch.most_uses IS NULL OR counted.uses + batch.rank <= batch.most_uses)
            AND (batch.version IS NULL OR (
                SELECT true FROM coupon_codes
                WHERE coupon_codes.version = batch.version AND coupon_codes.code = batch.coupon_code
            ))
    ),
    claimed AS (
        INSERT INTO idempotency_keys AS held (api_key_id, key, request_hash, order_id, response, expires_at)
        SELECT api_key_id, key, request_hash, id, response, now() + make_interval(hours => $20::integer)
        FROM admitted WHERE key IS NOT NULL
        ORDER BY api_key_id, key
        ON CONFLICT (api_key_id, key) DO UPDATE
        SET request_hash = EXCLUDED.request_hash, order_id = EXCLUDED.order_id, response = EXCLUDED.response,
            created_at = now(), expires_at = EXCLUDED.expires_at
        WHERE held.expires_at <= now()
        RETURNING order_id
    ),
    placed AS (
        INSERT INTO orders (id, api_key_id, coupon_code, subtotal, discount, total, promotion_use)
        SELECT id, api_key_id, coupon_code, subtotal, discount, total, nullif(coupon_code = ANY($14::text[]), false)
        FROM admitted WHERE key IS NULL OR id IN (SELECT order_id FROM claimed)
        ON CONFLICT (id) DO NOTHING
        RETURNING id, coupon_code
    ),
    lines AS (
        INSERT INTO order_items (order_id, line, product_id, product_name, category, unit_price, quantity)
        SELECT * FROM (
            SELECT unnest($7::uuid[]) AS order_id, unnest($8::smallint[]), unnest($9::bigint[]), unnest($10::text[]),
                unnest($11::text[]), unnest($12::numeric[]), unnest($13::integer[])
        ) AS line
        WHERE order_id IN (SELECT id FROM placed)
    ),
    used AS (
        UPDATE promotion_uses SET uses = promotion_uses.uses + taken.uses
        FROM (
            SELECT coupon_code, count(*) AS uses FROM placed WHERE coupon_code = ANY($14::text[]) GROUP BY coupon_code
        ) AS taken
        WHERE promotion_uses.code = taken.coupon_code
    )",
    last: "
    SELECT ARRAY(SELECT id FROM placed), ARRAY(SELECT id FROM admitted),
        ARRAY(SELECT code FROM promotion_uses WHERE code = ANY($14::text[]))",
    parameters: 22,
    conditional: true,
};

/// Rows for promotions that were never used before; they must be there before they can be locked.
pub(super) const BEGIN_COUNTING: &str = "
    INSERT INTO promotion_uses (code, uses)
    SELECT code, 0 FROM unnest($1::text[]) AS code
    ORDER BY code
    ON CONFLICT (code) DO NOTHING";

impl Template {
    /// The statement for orders without jobs.
    pub(super) fn text(&self) -> String {
        format!("WITH {} {}", self.with, self.last)
    }

    /// The statement that stores the jobs of the orders as well. Its further parameters are those
    /// of [`Jobs`].
    pub(super) fn text_with_jobs(&self) -> String {
        let first = self.parameters + 1;
        let order = first + job_queue::Columns::COUNT;
        let jobs = match self.conditional {
            true => job_queue::Columns::insert(
                first,
                &format!(", unnest(${order}::uuid[]) AS order_id"),
                "WHERE order_id IN (SELECT id FROM placed)",
            ),
            false => job_queue::Columns::insert(first, "", ""),
        };
        format!("WITH {}, jobs AS ({jobs}) {}", self.with, self.last)
    }
}

/// The columns of a batch as the statements take them.
#[derive(Default)]
pub(super) struct Columns<'a> {
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

/// What every statement takes at the end when orders of the batch have jobs.
pub(super) struct Jobs<'a> {
    columns: job_queue::Columns<'a>,
    order: Vec<Uuid>,
}

/// Whether some of the batch have jobs.
pub(super) fn has_jobs(batch: &[QueuedOrder]) -> bool {
    batch.iter().any(|queued| !queued.new_order().jobs.is_empty())
}

/// Whether the batch needs the checked statement, whatever else is in it.
pub(super) fn needs_checks(batch: &[QueuedOrder]) -> bool {
    batch
        .iter()
        .any(|queued| queued.in_doubt || most_uses(queued).is_some())
}

/// Whether some of the batch have coupon codes that must be listed.
pub(super) fn has_listed(batch: &[QueuedOrder]) -> bool {
    batch.iter().any(|queued| version(queued).is_some())
}

/// Whether some of the batch have Idempotency-Keys.
pub(super) fn has_claims(batch: &[QueuedOrder]) -> bool {
    batch.iter().any(|queued| queued.new_order().claim.is_some())
}

/// The limited promotions of the batch.
pub(super) fn limited_codes(batch: &[QueuedOrder]) -> BTreeSet<&str> {
    batch.iter().filter_map(limited_code).collect()
}

pub(super) fn limited_code(queued: &QueuedOrder) -> Option<&str> {
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
pub(super) fn versions(batch: &[QueuedOrder]) -> Vec<Option<i64>> {
    batch.iter().map(version).collect()
}

pub(super) fn version(queued: &QueuedOrder) -> Option<i64> {
    match queued.new_order().coupon_check {
        CouponCheck::Listed(version) => Some(version),
        CouponCheck::None | CouponCheck::Counted(_) => None,
    }
}

impl<'a> Columns<'a> {
    pub(super) fn of(batch: &'a [QueuedOrder]) -> Columns<'a> {
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
    pub(super) fn parameters(&self) -> [&(dyn ToSql + Sync); 13] {
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
    pub(super) fn of(batch: &'a [QueuedOrder]) -> Jobs<'a> {
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
    pub(super) fn parameters(&self, conditional: bool) -> Vec<&(dyn ToSql + Sync)> {
        let mut parameters = self.columns.parameters().to_vec();
        if conditional {
            parameters.push(&self.order);
        }
        parameters
    }
}

impl<'a> Claims<'a> {
    pub(super) fn of(batch: &'a [QueuedOrder]) -> Claims<'a> {
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
    pub(super) fn of(batch: &'a [QueuedOrder]) -> Checks<'a> {
        let mut ranks: HashMap<&str, i64> = HashMap::new();
        let mut limits: BTreeMap<&str, i64> = BTreeMap::new();
        for queued in batch {
            if let (Some(code), Some(limit)) = (limited_code(queued), most_uses(queued)) {
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
        for queued in batch {
            checks.most_uses.push(most_uses(queued));
            checks.rank.push(limited_code(queued).map(|code| {
                let rank = ranks.entry(code).or_default();
                *rank += 1;
                *rank
            }));
            let claim = queued.new_order().claim.as_ref();
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
