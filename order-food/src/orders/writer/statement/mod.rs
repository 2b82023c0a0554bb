//! The statements that write orders, each one transaction.

mod parameters;

pub(super) use parameters::{
    Checks, Claims, Columns, Jobs, has_claims, has_jobs, has_listed, limited_code, limited_codes,
    needs_checks, version, versions,
};

/// A statement that stores a batch, with or without jobs of its orders.
///
/// Parameters of all: the columns of the orders, then those of their lines. `unnest` stands in the
/// SELECT list: in FROM, each column would be written to a buffer first.
pub(super) struct Template {
    /// The queries of its WITH.
    with: &'static [&'static str],
    /// Its last query.
    last: &'static str,
    /// Parameters that it takes without jobs.
    parameters: usize,
    /// Whether an order of the batch may be left out, and its jobs with it.
    pub(super) conditional: bool,
}

const PLACED: &str = "placed AS (
        INSERT INTO orders (id, api_key_id, coupon_code, subtotal, discount, total)
        SELECT unnest($1::uuid[]), unnest($2::uuid[]), unnest($3::text[]),
            unnest($4::numeric[]), unnest($5::numeric[]), unnest($6::numeric[])
    )";

const LINES: &str = "
    INSERT INTO order_items (order_id, line, product_id, product_name, category, unit_price, quantity)
    SELECT unnest($7::uuid[]), unnest($8::smallint[]), unnest($9::bigint[]), unnest($10::text[]),
        unnest($11::text[]), unnest($12::numeric[]), unnest($13::integer[])";

/// The lines of those orders that were placed.
const LINES_OF_PLACED: &str = "lines AS (
        INSERT INTO order_items (order_id, line, product_id, product_name, category, unit_price, quantity)
        SELECT * FROM (
            SELECT unnest($7::uuid[]) AS order_id, unnest($8::smallint[]), unnest($9::bigint[]), unnest($10::text[]),
                unnest($11::text[]), unnest($12::numeric[]), unnest($13::integer[])
        ) AS line
        WHERE order_id IN (SELECT id FROM placed)
    )";

/// Orders that were never sent before, without a limited promotion or an Idempotency-Key: their ids
/// are new, so nothing can conflict.
pub(super) const STORE: Template = Template {
    with: &[PLACED],
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
    with: &["claimed AS (
        INSERT INTO idempotency_keys (api_key_id, key, request_hash, order_id, response, expires_at)
        SELECT unnest($14::uuid[]), unnest($15::text[]), unnest($16::bytea[]), unnest($17::uuid[]), unnest($18::bytea[]),
            now() + make_interval(hours => $19::integer)
    )", PLACED],
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
    with: &["placed AS (
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
    )", LINES_OF_PLACED],
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
    with: &["counted AS MATERIALIZED (
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
    )", LINES_OF_PLACED, "used AS (
        UPDATE promotion_uses SET uses = promotion_uses.uses + taken.uses
        FROM (
            SELECT coupon_code, count(*) AS uses FROM placed WHERE coupon_code = ANY($14::text[]) GROUP BY coupon_code
        ) AS taken
        WHERE promotion_uses.code = taken.coupon_code
    )"],
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
        format!("WITH {} {}", self.with.join(", "), self.last)
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
        format!("WITH {}, jobs AS ({jobs}) {}", self.with.join(", "), self.last)
    }
}
