//! The claim: one statement for a quota of each priority.

use chrono::{DateTime, Utc};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row, Statement};
use uuid::Uuid;

/// Claims at most `$8` jobs, of these at most `$9` that are neither CRITICAL nor HIGH: first the
/// share of each priority, then in the order of urgency; within a priority the longest due first.
/// At most `quota` are looked at of each pair of priority and kind.
///
/// - Of jobs with which so many workers were lost that the next time makes them poison, at most one
///   is claimed, and none unless `$11`: otherwise one that ends its process would take the same
///   neighbors with it each time, and all of them would be poison.
/// - A look-up per kind, so that kinds which are paused or unknown are never read, however many of
///   them wait.
/// - `(run_at, id) >= …` skips the entries of jobs that are gone already: while a transaction is
///   open elsewhere, nothing can remove them from the index.
/// - `id = ANY (ARRAY(…))`: joined by FROM, the planner reads the whole table once (929 ms instead
///   of 2 ms at a million rows).
pub(crate) const CLAIM: &str = "
    WITH wanted AS (
        SELECT * FROM unnest($1::smallint[], $2::text[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::bigint[])
            AS wanted (priority, kind, quota, share, from_run_at, from_id)
    ),
    locked AS MATERIALIZED (
        SELECT due.id, due.run_at, due.rescues >= 2 AS is_last, wanted.priority, wanted.share
        FROM wanted CROSS JOIN LATERAL (
            SELECT id, run_at, rescues FROM job
            WHERE state = 0 AND job.priority = wanted.priority AND job.kind = wanted.kind
                AND run_at <= now() AND (run_at, id) >= (wanted.from_run_at, wanted.from_id) AND min_build <= $7
                AND (rescues < 2 OR $11)
            ORDER BY run_at, id
            LIMIT wanted.quota
            FOR UPDATE SKIP LOCKED
        ) AS due
    ),
    ranked AS (
        SELECT id, run_at, priority,
            row_number() OVER (PARTITION BY priority ORDER BY run_at, id) > share AS is_rest
        FROM locked
        WHERE NOT is_last OR id = (SELECT min(id) FROM locked WHERE is_last)
    ),
    placed AS (
        SELECT id, run_at, priority, is_rest,
            row_number() OVER (PARTITION BY priority > 1 ORDER BY is_rest, priority, run_at, id) AS place
        FROM ranked
    ),
    chosen AS MATERIALIZED (
        SELECT id FROM placed WHERE priority <= 1 OR place <= $9
        ORDER BY is_rest, priority, run_at, id LIMIT $8
    )
    UPDATE job SET state = 1, locked_by = $10, locked_at = now(), attempt = attempt + 1, progress = NULL
    WHERE id = ANY (ARRAY(SELECT id FROM chosen)) AND state = 0
    RETURNING id, kind, priority, attempt, max_attempts, timeout_ms, payload::text, trace_ctx, public_id, api_key_id,
        run_at, extract(epoch FROM now() - run_at)::float8, rescues";

/// The parameters of [`CLAIM`]: a row per pair of priority and kind, and how many in all.
#[derive(Debug, Default)]
pub(crate) struct ClaimFilter<'a> {
    pub(crate) priority: Vec<i16>,
    pub(crate) kind: Vec<&'a str>,
    pub(crate) quota: Vec<i64>,
    pub(crate) share: Vec<i64>,
    pub(crate) from_run_at: Vec<DateTime<Utc>>,
    pub(crate) from_id: Vec<i64>,
    /// Most jobs.
    pub(crate) slots: usize,
    /// Most that are neither CRITICAL nor HIGH.
    pub(crate) patient: usize,
    /// Whether one may be among them that is poison the next time its worker is lost.
    pub(crate) last_chance: bool,
}

/// A claimed job.
#[derive(Debug)]
pub(crate) struct ClaimedJob {
    pub(crate) id: i64,
    pub(crate) kind: String,
    pub(crate) priority: i16,
    pub(crate) attempt: i16,
    pub(crate) max_attempts: Option<i16>,
    pub(crate) timeout_ms: i32,
    pub(crate) payload: String,
    pub(crate) trace_ctx: Option<String>,
    pub(crate) public_id: Option<Uuid>,
    pub(crate) api_key_id: Option<Uuid>,
    pub(crate) run_at: DateTime<Utc>,
    /// Seconds since it was due.
    pub(crate) waited_s: f64,
    /// Workers that were lost with it.
    pub(crate) rescues: i16,
}

impl ClaimedJob {
    /// Whether it is poison the next time its worker is lost.
    pub(crate) fn is_last_chance(&self) -> bool {
        self.rescues >= 2
    }

    fn of(row: &Row) -> Result<ClaimedJob, Error> {
        Ok(ClaimedJob {
            id: row.try_get(0)?,
            kind: row.try_get(1)?,
            priority: row.try_get(2)?,
            attempt: row.try_get(3)?,
            max_attempts: row.try_get(4)?,
            timeout_ms: row.try_get(5)?,
            payload: row.try_get(6)?,
            trace_ctx: row.try_get(7)?,
            public_id: row.try_get(8)?,
            api_key_id: row.try_get(9)?,
            run_at: row.try_get(10)?,
            waited_s: row.try_get(11)?,
            rescues: row.try_get(12)?,
        })
    }
}

/// Runs [`CLAIM`], in a transaction of its own.
///
/// # Errors
/// Whatever the database says.
pub(crate) async fn claim(
    client: &Client,
    statement: &Statement,
    wanted: &ClaimFilter<'_>,
    worker: Uuid,
) -> Result<Vec<ClaimedJob>, Error> {
    let number = |slots| i64::try_from(slots).unwrap_or(i64::MAX);
    let (slots, patient) = (number(wanted.slots), number(wanted.patient));
    let parameters: [&(dyn ToSql + Sync); 11] = [
        &wanted.priority,
        &wanted.kind,
        &wanted.quota,
        &wanted.share,
        &wanted.from_run_at,
        &wanted.from_id,
        &crate::BUILD,
        &slots,
        &patient,
        &worker,
        &wanted.last_chance,
    ];
    let rows = client.query(statement, &parameters).await?;
    rows.iter().map(ClaimedJob::of).collect()
}
