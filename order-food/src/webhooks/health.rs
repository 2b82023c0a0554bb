//! What a delivery reads of its endpoint, and what its outcome changes there: the circuit breaker,
//! which all workers share.
//!
//! ```text
//! closed ──5 failures in a row, or 2 time-outs──▶ open for 30 s: deliveries fail at once
//!    ▲                                              │
//!    │                                              ▼
//!    └────────success────────── on trial: one delivery tries, the others wait ──failure──▶ open
//! ```

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{
    Array, BigInt, Binary, Bool, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid,
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use super::endpoints::EndpointId;

/// All that one attempt needs to know, as of one instant.
#[derive(Debug, QueryableByName)]
pub(super) struct EndpointState {
    #[diesel(sql_type = Text)]
    pub(super) url: String,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(super) disabled_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) disabled_reason: Option<String>,
    /// Failed attempts since the last success.
    #[diesel(sql_type = Integer)]
    pub(super) failures: i32,
    /// Milliseconds until the circuit may be tried again; `None`: it is closed.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(super) open_ms: Option<i64>,
    /// A delivery tries it now.
    #[diesel(sql_type = Bool)]
    pub(super) on_trial: bool,
    /// The last success was stored more than a minute ago.
    #[diesel(sql_type = Bool)]
    pub(super) delivered_long_ago: bool,
    /// The database's time, in seconds since 1970.
    #[diesel(sql_type = BigInt)]
    pub(super) timestamp: i64,
    /// The secrets that sign, newest first.
    #[diesel(sql_type = Array<Binary>)]
    pub(super) secrets: Vec<Vec<u8>>,
    /// When the order was stored; `None`: there is no such order, or none was asked for.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(super) ordered_at: Option<DateTime<Utc>>,
}

/// Failures in a row that open the circuit.
const BREAK_AFTER: i32 = 5;
/// The same when the last one was a time-out, which occupies a worker for 18 s.
const BREAK_AFTER_LATE: i32 = 2;

const READ: &str = "
    SELECT url, disabled_at, disabled_reason, failures,
        (extract(epoch FROM open_until - now()) * 1000)::bigint AS open_ms,
        coalesce(trial_until > now(), false) AS on_trial,
        coalesce(delivered_at < now() - interval '1 min', true) AS delivered_long_ago,
        extract(epoch FROM now())::bigint AS timestamp,
        ARRAY(
            SELECT secret FROM webhook_secrets
            WHERE endpoint_id = webhook_endpoints.id AND (expires_at IS NULL OR expires_at > now())
            ORDER BY created_at DESC, id DESC
        ) AS secrets,
        (SELECT created_at FROM orders WHERE id = $2) AS ordered_at
    FROM webhook_endpoints WHERE id = $1";

/// Longer than an attempt may take: a worker that is lost does not keep the circuit open.
const TAKE_TRIAL: &str = "
    UPDATE webhook_endpoints SET trial_until = now() + interval '25 s'
    WHERE id = $1 AND open_until <= now() AND (trial_until IS NULL OR trial_until <= now())";

/// The delivery is noted among the results of jobs, for whoever asks whether deliveries arrive.
const SUCCEEDED: &str = "
    WITH noted AS (
        INSERT INTO job_result (public_id, job_id, kind, created_at, attempt, outcome, result)
        SELECT gen_random_uuid(), $2, 'order.webhook', now(), 1, 'done', $3 WHERE $2 IS NOT NULL
    )
    UPDATE webhook_endpoints
    SET failures = 0, failing_since = NULL, open_until = NULL, trial_until = NULL, delivered_at = now()
    WHERE id = $1";

/// $3 failures open the circuit; $4 seconds of failures without a success switch the endpoint off
/// (0: never).
const FAILED: &str = "
    UPDATE webhook_endpoints
    SET failures = failures + 1, failing_since = coalesce(failing_since, now()), failed_at = now(), last_error = left($2, 500),
        trial_until = NULL,
        open_until = CASE WHEN failures + 1 >= $3 OR open_until IS NOT NULL THEN now() + interval '30 s' END,
        disabled_at = CASE WHEN worn_out THEN now() ELSE disabled_at END,
        disabled_reason = CASE WHEN worn_out THEN 'failing' ELSE disabled_reason END,
        probe_at = CASE WHEN worn_out THEN now() + interval '10 min' ELSE probe_at END,
        probes = CASE WHEN worn_out THEN 0 ELSE probes END
    FROM (
        SELECT id AS worn_id,
            disabled_at IS NULL AND $4 > 0 AND coalesce(failing_since < now() - interval '1 s' * $4, false) AS worn_out
        FROM webhook_endpoints WHERE id = $1 FOR UPDATE
    ) AS before
    WHERE id = worn_id
    RETURNING worn_out";

const GONE: &str = "
    UPDATE webhook_endpoints
    SET failures = failures + 1, failing_since = coalesce(failing_since, now()), failed_at = now(), last_error = 'HTTP 410',
        trial_until = NULL, disabled_at = now(), disabled_reason = 'gone', probes = 0, probe_at = now() + interval '1 h'
    WHERE id = $1 AND disabled_at IS NULL";

/// Probes come at twice the distance each time, from 10 min up to a day, and end after 30 days.
const TAKE_PROBES: &str = "
    UPDATE webhook_endpoints
    SET probes = probes + 1,
        probe_at = CASE WHEN disabled_at > now() - interval '30 days'
            THEN now() + least(interval '10 min' * power(2, least(probes + 1, 8)), interval '1 day') END
    WHERE id IN (
        SELECT id FROM webhook_endpoints WHERE probe_at <= now() ORDER BY probe_at LIMIT $1 FOR UPDATE SKIP LOCKED
    )
    RETURNING id";

const SWITCH_ON: &str = "
    UPDATE webhook_endpoints
    SET disabled_at = NULL, disabled_reason = NULL, failures = 0, failing_since = NULL, open_until = NULL, trial_until = NULL,
        probes = 0, probe_at = NULL, delivered_at = now()
    WHERE id = $1 AND disabled_reason IN ('gone', 'failing')";

/// The endpoint's state, and when `order` was stored; `None`: there is no such endpoint.
pub(super) async fn read(
    connection: &mut AsyncPgConnection,
    endpoint: EndpointId,
    order: Option<Uuid>,
) -> QueryResult<Option<EndpointState>> {
    diesel::sql_query(READ)
        .bind::<SqlUuid, _>(endpoint)
        .bind::<Nullable<SqlUuid>, _>(order)
        .get_result(connection)
        .await
        .optional()
}

/// Whether this delivery is the one that tries the open circuit.
pub(super) async fn take_trial(
    connection: &mut AsyncPgConnection,
    endpoint: EndpointId,
) -> QueryResult<bool> {
    let taken = diesel::sql_query(TAKE_TRIAL).bind::<SqlUuid, _>(endpoint);
    Ok(taken.execute(connection).await? > 0)
}

/// Closes the circuit, and notes the delivery: its job and its outcome.
pub(super) async fn succeeded(
    connection: &mut AsyncPgConnection,
    endpoint: EndpointId,
    noted: Option<(i64, &Value)>,
) -> QueryResult<()> {
    let stored = diesel::sql_query(SUCCEEDED)
        .bind::<SqlUuid, _>(endpoint)
        .bind::<Nullable<BigInt>, _>(noted.map(|(job, _)| job))
        .bind::<Nullable<Jsonb>, _>(noted.map(|(_, outcome)| outcome));
    stored.execute(connection).await.map(drop)
}

/// Counts a failure; returns whether it switched the endpoint off.
pub(super) async fn failed(
    connection: &mut AsyncPgConnection,
    endpoint: EndpointId,
    error: &str,
    late: bool,
    switch_off_after: Duration,
) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Counted {
        #[diesel(sql_type = Bool)]
        worn_out: bool,
    }
    let threshold = if late { BREAK_AFTER_LATE } else { BREAK_AFTER };
    let seconds = i64::try_from(switch_off_after.as_secs()).unwrap_or(i64::MAX);
    let counted: Option<Counted> = diesel::sql_query(FAILED)
        .bind::<SqlUuid, _>(endpoint)
        .bind::<Text, _>(error)
        .bind::<Integer, _>(threshold)
        .bind::<BigInt, _>(seconds)
        .get_result(connection)
        .await
        .optional()?;
    Ok(counted.is_some_and(|counted| counted.worn_out))
}

/// Switches an endpoint off that answered 410; false when it was off already.
pub(super) async fn gone(connection: &mut AsyncPgConnection, endpoint: EndpointId) -> QueryResult<bool> {
    let switched = diesel::sql_query(GONE).bind::<SqlUuid, _>(endpoint);
    Ok(switched.execute(connection).await? > 0)
}

/// At most `limit` switched-off endpoints whose probe is due; the next one is planned already.
pub(super) async fn take_probes(
    connection: &mut AsyncPgConnection,
    limit: i64,
) -> QueryResult<Vec<EndpointId>> {
    #[derive(QueryableByName)]
    struct Due {
        #[diesel(sql_type = SqlUuid)]
        id: EndpointId,
    }
    let due = diesel::sql_query(TAKE_PROBES).bind::<BigInt, _>(limit);
    let rows: Vec<Due> = due.load(connection).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Switches a probed endpoint on again; false when an operator changed it meanwhile.
pub(super) async fn switch_on(connection: &mut AsyncPgConnection, endpoint: EndpointId) -> QueryResult<bool> {
    let switched = diesel::sql_query(SWITCH_ON).bind::<SqlUuid, _>(endpoint);
    Ok(switched.execute(connection).await? > 0)
}
