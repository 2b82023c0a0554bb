//! The one statement that changes the state of orders, with all that follows from a change.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use job_queue::Job as _;
use uuid::Uuid;

use crate::jobs::OrderWebhook;

/// The same change of some orders, by one actor.
#[derive(Clone, Debug)]
pub(super) struct Statement<'a> {
    pub(super) orders: &'a [Uuid],
    pub(super) to: &'static str,
    /// States from which the change is made; from `to` itself, only the expected time changes.
    pub(super) sources: &'a [&'static str],
    /// Versions that may be changed; `None`: any.
    pub(super) versions: Option<&'a [i32]>,
    /// The key that the orders must belong to; `None`: any.
    pub(super) owner: Option<Uuid>,
    /// Minutes from now until the orders are expected to be ready; `None`: no news of that.
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

/// Order, version, time of the change, expected time, jobs of the whole statement.
pub(super) type Changed = (Uuid, i32, DateTime<Utc>, Option<DateTime<Utc>>, i64);

/// What follows the parameters.
///
/// - `found` is each order with its state: without a row `placed`, or `picked_up` for orders from
///   before the life cycle.
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
        "input CROSS JOIN changed CROSS JOIN webhook_endpoints AS endpoint
        WHERE endpoint.disabled_at IS NULL AND endpoint.events @> ARRAY['order.status_changed']",
    );
    format!(
        "),
    found AS (
        SELECT orders.id, orders.coupon_code, orders.promotion_use, state.ready_at,
            coalesce(state.status, CASE WHEN orders.created_at < began_at THEN 'picked_up' ELSE 'placed' END) AS status,
            coalesce(state.version, 1) AS version, coalesce(state.changed_at, orders.created_at) AS changed_at
        FROM input CROSS JOIN order_life_cycle JOIN orders ON orders.id = ANY(orders_)
        LEFT JOIN order_states AS state ON state.order_id = orders.id
        WHERE owner_ IS NULL OR orders.api_key_id = owner_
    ),
    chosen AS MATERIALIZED (
        SELECT found.*, greatest(now(), found.changed_at) AS at
        FROM input CROSS JOIN found
        WHERE status = ANY(sources_) AND (versions_ IS NULL OR version = ANY(versions_))
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
        FROM input CROSS JOIN chosen
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
        FROM input CROSS JOIN changed JOIN chosen ON chosen.id = order_id
    ),
    told AS ({told} RETURNING 1),
    audited AS (
        INSERT INTO operator_actions (key_id, via, action, target, before, after, outcome, request_id)
        SELECT actor_id_, via_, 'orders.status', 'order ' || order_id,
            jsonb_build_object('status', chosen.status, 'version', chosen.version),
            jsonb_strip_nulls(jsonb_build_object('status', changed.status, 'version', changed.version, 'reason', reason)),
            'done', request_id_
        FROM input CROSS JOIN changed JOIN chosen ON chosen.id = order_id
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
    SELECT order_id, version, changed_at, ready_at, (SELECT count(*) FROM told) FROM changed ORDER BY order_id"
    )
});

impl Statement<'_> {
    /// Makes the change of those orders that it is possible for, and returns them.
    pub(super) async fn run(&self, connection: &mut AsyncPgConnection) -> QueryResult<Vec<Changed>> {
        self.clone().load(connection).await
    }
}

/// Connections keep it prepared.
impl QueryId for Statement<'_> {
    type QueryId = Statement<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Query for Statement<'_> {
    type SqlType = (SqlUuid, Integer, Timestamptz, Nullable<Timestamptz>, BigInt);
}

impl<C> diesel::RunQueryDsl<C> for Statement<'_> {}

impl QueryFragment<Pg> for Statement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH input AS NOT MATERIALIZED (SELECT ");
        out.push_bind_param::<Array<SqlUuid>, _>(self.orders)?;
        out.push_sql(" AS orders_, ");
        out.push_bind_param::<Text, _>(self.to)?;
        out.push_sql(" AS to_, ");
        out.push_bind_param::<Array<Text>, _>(self.sources)?;
        out.push_sql(" AS sources_, ");
        out.push_bind_param::<Nullable<Array<Integer>>, _>(&self.versions)?;
        out.push_sql(" AS versions_, ");
        out.push_bind_param::<Nullable<SqlUuid>, _>(&self.owner)?;
        out.push_sql(" AS owner_, ");
        out.push_bind_param::<Nullable<Integer>, _>(&self.minutes)?;
        out.push_sql(" AS minutes_, ");
        out.push_bind_param::<Nullable<Text>, _>(&self.reason)?;
        out.push_sql(" AS reason_, ");
        out.push_bind_param::<Nullable<Text>, _>(&self.note)?;
        out.push_sql(" AS note_, ");
        out.push_bind_param::<Text, _>(self.actor)?;
        out.push_sql(" AS actor_, ");
        out.push_bind_param::<Nullable<SqlUuid>, _>(&self.actor_id)?;
        out.push_sql(" AS actor_id_, ");
        out.push_bind_param::<Nullable<Text>, _>(&self.via)?;
        out.push_sql(" AS via_, ");
        out.push_bind_param::<Nullable<Text>, _>(&self.request_id)?;
        out.push_sql(" AS request_id_, ");
        out.push_bind_param::<Nullable<Text>, _>(&self.trace)?;
        out.push_sql(" AS trace_");
        out.push_sql(&CHANGE);
        Ok(())
    }
}
