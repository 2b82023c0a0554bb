//! The one statement that changes the state of orders, with all that follows from a change.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{QueryResult, Queryable};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use job_queue::Job as _;
use serde::Serialize;
use uuid::Uuid;

use crate::jobs::OrderWebhook;

/// A change of one order; null is no value.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Row<'a> {
    pub(super) order: Uuid,
    pub(super) to: &'static str,
    /// States from which the change is made; from `to` itself, only the expected time changes.
    pub(super) sources: &'a [&'static str],
    /// Versions that may be changed; `None`: any.
    pub(super) versions: Option<&'a [i32]>,
    /// The key that the order must belong to; `None`: any.
    pub(super) owner: Option<Uuid>,
    /// Minutes from now until the order is expected to be ready; `None`: no news of that.
    pub(super) minutes: Option<i32>,
    pub(super) reason: Option<&'static str>,
    pub(super) note: Option<&'a str>,
    pub(super) actor: &'static str,
    pub(super) actor_id: Option<Uuid>,
    /// Where an operator acted; `None`: no operator did.
    pub(super) via: Option<&'static str>,
    pub(super) request_id: Option<&'a str>,
    /// W3C traceparent of the request, where that is sampled.
    pub(super) trace: Option<&'a str>,
}

/// Changes of different orders, as a JSON array of [`Row`]s.
#[derive(Debug)]
pub(super) struct Statement(String);

/// A change that was made.
#[derive(Debug, Queryable)]
pub(super) struct Changed {
    pub(super) order: Uuid,
    pub(super) version: i32,
    pub(super) changed_at: DateTime<Utc>,
    pub(super) ready_at: Option<DateTime<Utc>>,
    pub(super) placed_at: DateTime<Utc>,
    /// Of the changes before, oldest first: states, times, reasons.
    pub(super) statuses: Vec<String>,
    pub(super) times: Vec<DateTime<Utc>>,
    pub(super) reasons: Vec<Option<String>>,
    /// Jobs of the whole statement.
    pub(super) jobs: i64,
}

/// What follows the parameters.
///
/// - `found` is each order with its change and its state: without a row `placed`, or `picked_up`
///   for orders from before the life cycle.
/// - `changed` writes the state. Where another change comes first, the guard on the version finds
///   the newer row and leaves it alone.
/// - `event`, `told` and `audited` go with it: history, webhooks, what operators did.
/// - `given_back` returns uses of limited promotions that the orders were counted in, of codes in
///   order, so that statements for several orders never wait for each other.
///
/// States are locked in the order of their ids, before any promotion.
static CHANGE: LazyLock<String> = LazyLock::new(|| {
    let told = job_queue::insert_from(
        OrderWebhook::KIND,
        "jsonb_strip_nulls(jsonb_build_object(
            'endpoint', endpoint.id, 'event', 'order.status_changed', 'order', order_id, 'status', changed.status,
            'version', changed.version, 'changed_at', changed.changed_at, 'ready_at', changed.ready_at,
            'reason', changed.reason))",
        "trace_",
        "changed JOIN chosen ON chosen.id = order_id CROSS JOIN webhook_endpoints AS endpoint
        WHERE endpoint.disabled_at IS NULL AND endpoint.events @> ARRAY['order.status_changed']",
    );
    format!(
        "::json) AS change (
            \"order\" uuid, \"to\" text, sources text[], versions integer[], owner uuid, minutes integer, reason text, note text,
            actor text, actor_id uuid, via text, request_id text, trace text)
    ),
    found AS (
        SELECT input.*, orders.id, orders.created_at, orders.coupon_code, orders.promotion_use, state.ready_at,
            coalesce(state.status, CASE WHEN orders.created_at < began_at THEN 'picked_up' ELSE 'placed' END) AS status,
            coalesce(state.version, 1) AS version, coalesce(state.changed_at, orders.created_at) AS changed_at
        FROM input CROSS JOIN order_life_cycle JOIN orders ON orders.id = order_
        LEFT JOIN order_states AS state ON state.order_id = orders.id
        WHERE owner_ IS NULL OR orders.api_key_id = owner_
    ),
    chosen AS MATERIALIZED (
        SELECT found.*, greatest(now(), changed_at) AS at
        FROM found
        WHERE status = ANY(sources_)
            AND (versions_ IS NULL OR version = ANY(versions_))
            AND (status <> to_ OR ready_at IS DISTINCT FROM changed_at + minutes_ * interval '1 minute')
        ORDER BY id
    ),
    changed AS (
        INSERT INTO order_states AS state (order_id, status, version, ready_at, reason, changed_at)
        SELECT id, to_, version + 1,
            CASE WHEN to_ IN ('rejected', 'cancelled') THEN NULL
                WHEN minutes_ IS NOT NULL THEN at + minutes_ * interval '1 minute'
                WHEN to_ = 'ready' THEN at
                ELSE ready_at END,
            reason_, at
        FROM chosen
        ON CONFLICT (order_id) DO UPDATE
        SET status = EXCLUDED.status, version = EXCLUDED.version, ready_at = EXCLUDED.ready_at, reason = EXCLUDED.reason,
            changed_at = EXCLUDED.changed_at, changed_xid = EXCLUDED.changed_xid
        WHERE state.version = EXCLUDED.version - 1
        RETURNING order_id, status, version, ready_at, reason, changed_at
    ),
    event AS (
        INSERT INTO order_events (order_id, version, from_status, to_status, at, actor, actor_id, reason, note, request_id)
        SELECT order_id, changed.version, chosen.status, changed.status, changed.changed_at, actor_, actor_id_, reason, note_,
            request_id_
        FROM changed JOIN chosen ON chosen.id = order_id
    ),
    told AS ({told} RETURNING 1),
    audited AS (
        INSERT INTO operator_actions (key_id, via, action, target, before, after, outcome, request_id)
        SELECT actor_id_, via_, 'orders.status', 'order ' || order_id,
            jsonb_build_object('status', chosen.status, 'version', chosen.version),
            jsonb_strip_nulls(jsonb_build_object('status', changed.status, 'version', changed.version, 'reason', reason)),
            'done', request_id_
        FROM changed JOIN chosen ON chosen.id = order_id
        WHERE via_ IS NOT NULL
    ),
    returned AS MATERIALIZED (
        SELECT coupon_code, count(*) AS uses
        FROM changed JOIN chosen ON chosen.id = order_id
        WHERE promotion_use AND changed.status IN ('rejected', 'cancelled') AND chosen.status = 'placed'
        GROUP BY coupon_code
    ),
    counted AS MATERIALIZED (
        SELECT code FROM promotion_uses WHERE code IN (SELECT coupon_code FROM returned) ORDER BY code FOR UPDATE
    ),
    given_back AS (
        UPDATE promotion_uses SET uses = greatest(promotion_uses.uses - returned.uses, 0)
        FROM returned JOIN counted ON counted.code = coupon_code
        WHERE promotion_uses.code = coupon_code
    )
    SELECT order_id, changed.version, changed.changed_at, changed.ready_at, chosen.created_at,
        coalesce(statuses, '{{}}'), coalesce(times, '{{}}'), coalesce(reasons, '{{}}'), (SELECT count(*) FROM told)
    FROM changed JOIN chosen ON chosen.id = order_id
    CROSS JOIN LATERAL (
        SELECT array_agg(to_status ORDER BY version) AS statuses, array_agg(at ORDER BY version) AS times,
            array_agg(reason ORDER BY version) AS reasons
        FROM order_events WHERE order_events.order_id = changed.order_id) AS earlier"
    )
});

impl Statement {
    pub(super) fn of(rows: &[Row<'_>]) -> QueryResult<Statement> {
        let json = serde_json::to_string(rows);
        json.map(Statement)
            .map_err(|error| diesel::result::Error::SerializationError(error.into()))
    }

    /// Makes those changes that are possible, and returns them.
    pub(super) async fn run(self, connection: &mut AsyncPgConnection) -> QueryResult<Vec<Changed>> {
        self.load(connection).await
    }
}

/// Connections keep it prepared.
impl QueryId for Statement {
    type QueryId = Statement;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Query for Statement {
    type SqlType = (
        SqlUuid,
        Integer,
        Timestamptz,
        Nullable<Timestamptz>,
        Timestamptz,
        Array<Text>,
        Array<Timestamptz>,
        Array<Nullable<Text>>,
        BigInt,
    );
}

impl<C> diesel::RunQueryDsl<C> for Statement {}

impl QueryFragment<Pg> for Statement {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "WITH input (
                order_, to_, sources_, versions_, owner_, minutes_, reason_, note_, actor_, actor_id_, via_, request_id_, trace_
            ) AS (SELECT * FROM json_to_recordset(",
        );
        out.push_bind_param::<Text, _>(&self.0)?;
        out.push_sql(&CHANGE);
        Ok(())
    }
}
