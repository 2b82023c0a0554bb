//! What a worker does beside its jobs: heartbeat, controls, progress, and the leader's duties.

use serde_json::Value;
use tokio_postgres::{Client, Error, ToStatement};
use uuid::Uuid;

use super::Columns;
use crate::new_job::NewJob;
use crate::registry::Schedule;

/// Makes the row of a worker, or says that it lives.
const HEARTBEAT: &str = "
    INSERT INTO job_worker (id, pool, pod, version, filter, slots) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (id) DO UPDATE SET heartbeat_at = now()";

const SIGN_OFF: &str = "DELETE FROM job_worker WHERE id = $1";

const PAUSED: &str = "SELECT scope FROM job_control";

/// Stores progress, and answers which of the attempts are to end. Rows are found as in `finish`.
const PROGRESS: &str = "
    WITH running AS (
        SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::jsonb[]) AS running (id, attempt, progress)
    ),
    stored AS (
        UPDATE job SET progress = running.progress FROM running
        WHERE job.id = ANY ($1) AND job.id = running.id AND job.attempt = running.attempt
            AND job.locked_by IS NOT DISTINCT FROM $4 AND running.progress IS NOT NULL
    )
    SELECT job.id FROM job JOIN running USING (id, attempt)
    WHERE job.id = ANY ($1) AND job.locked_by IS NOT DISTINCT FROM $4 AND cancel_requested_at IS NOT NULL";

/// Jobs that this worker holds without knowing of it: the answer to their claim was lost.
const RELEASE_ORPHANS: &str = "
    UPDATE job SET state = 0, locked_by = NULL, attempt = attempt - 1
    WHERE state = 1 AND locked_by = $1 AND locked_at < now() - $2::float8 * interval '1 millisecond' AND id <> ALL ($3)";

/// Takes jobs from workers that are lost, and from attempts far beyond their time limit. $1 is
/// milliseconds without a heartbeat, $2 milliseconds beyond the time limit, $3 the attempts of each
/// priority. The third time, a job is poison.
pub(crate) const RESCUE: &str = "
    WITH lost AS MATERIALIZED (
        SELECT job.id, job.locked_by,
            CASE WHEN job.cancel_requested_at IS NOT NULL THEN 'cancelled'
                WHEN job.rescues >= 2 THEN 'poison'
                WHEN job.attempt >= coalesce(job.max_attempts, ($3::smallint[])[job.priority + 1]) THEN 'exhausted'
            END AS reason,
            CASE WHEN job_worker.heartbeat_at >= now() - $1::float8 * interval '1 millisecond'
                THEN 'the attempt went beyond its time limit' ELSE 'the worker was lost' END AS error
        FROM job LEFT JOIN job_worker ON job_worker.id = job.locked_by
        WHERE job.state = 1 AND (
            job_worker.id IS NULL
            OR job_worker.heartbeat_at < now() - $1::float8 * interval '1 millisecond'
            OR job.locked_at < now() - (job.timeout_ms + $2::float8) * interval '1 millisecond'
        )
        LIMIT 1000
        FOR UPDATE OF job SKIP LOCKED
    ),
    again AS (
        UPDATE job SET state = 0, locked_by = NULL, run_at = now(), rescues = rescues + 1, last_error = lost.error,
            attempts = coalesce(attempts, '[]') || jsonb_build_object(
                'at', now(), 'ms', (1000 * extract(epoch FROM now() - locked_at))::bigint, 'attempt', job.attempt,
                'worker', lost.locked_by, 'error', lost.error)
        FROM lost WHERE job.id = lost.id AND lost.reason IS NULL
    ),
    gone AS (
        DELETE FROM job USING lost WHERE job.id = lost.id AND lost.reason IS NOT NULL
        RETURNING job.*, lost.reason, lost.error
    ),
    dead AS (
        INSERT INTO job_dead (id, kind, priority, created_at, reason, attempt, max_attempts, rescues, timeout_ms, unique_key,
            payload, trace_ctx, last_error, attempts, progress, api_key_id, public_id, min_build)
        SELECT id, kind, priority, created_at, reason, attempt, max_attempts, rescues + 1, timeout_ms, unique_key,
            payload, trace_ctx, error,
            coalesce(attempts, '[]') || jsonb_build_object(
                'at', now(), 'ms', (1000 * extract(epoch FROM now() - locked_at))::bigint, 'attempt', attempt,
                'worker', locked_by, 'error', error),
            progress, api_key_id, public_id, min_build
        FROM gone
    )
    SELECT lost.id, job.kind, job.priority, lost.reason, job.attempt FROM lost JOIN job USING (id)";

/// Rows of workers that are lost and hold nothing.
const FORGET_WORKERS: &str = "
    DELETE FROM job_worker WHERE heartbeat_at < now() - $1::float8 * interval '1 millisecond'
        AND NOT EXISTS (SELECT 1 FROM job WHERE state = 1 AND locked_by = job_worker.id)";

/// Exact, by the index alone; the caller decides how often.
const SUMMARY: &str = "
    SELECT kind, priority, count(*),
        coalesce(extract(epoch FROM now() - min(run_at) FILTER (WHERE run_at <= now())), 0)::float8
    FROM job WHERE state = 0 GROUP BY kind, priority";

const DEAD: &str = "SELECT kind, count(*) FROM job_dead WHERE replayed_as IS NULL GROUP BY kind";

/// The row that a worker shows.
#[derive(Clone, Debug)]
pub(crate) struct WorkerRow {
    pub(crate) id: Uuid,
    pub(crate) pool: String,
    pub(crate) pod: String,
    pub(crate) version: String,
    pub(crate) filter: String,
    pub(crate) slots: i32,
}

/// A job that was taken from a lost worker.
#[derive(Debug)]
pub(crate) struct Rescued {
    pub(crate) id: i64,
    pub(crate) kind: String,
    pub(crate) priority: i16,
    /// `None`: queued again.
    pub(crate) reason: Option<String>,
    pub(crate) attempt: i16,
}

/// Queued jobs of a kind and priority.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) kind: String,
    pub(crate) priority: i16,
    pub(crate) depth: i64,
    /// Seconds since the oldest was due; 0: none is due.
    pub(crate) oldest_s: f64,
}

pub(crate) async fn heartbeat(client: &Client, row: &WorkerRow) -> Result<(), Error> {
    let WorkerRow {
        id,
        pool,
        pod,
        version,
        filter,
        slots,
    } = row;
    client
        .execute(HEARTBEAT, &[id, pool, pod, version, filter, slots])
        .await
        .map(drop)
}

pub(crate) async fn sign_off(client: &Client, worker: Uuid) -> Result<(), Error> {
    client.execute(SIGN_OFF, &[&worker]).await.map(drop)
}

/// Scopes that are paused.
pub(crate) async fn paused(client: &Client) -> Result<Vec<String>, Error> {
    let rows = client.query(PAUSED, &[]).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// Stores progress; returns the ids that are to be cancelled.
pub(crate) async fn progress(
    client: &Client,
    worker: Uuid,
    ids: &[i64],
    attempts: &[i16],
    progress: &[Option<Value>],
) -> Result<Vec<i64>, Error> {
    let rows = client
        .query(PROGRESS, &[&ids, &attempts, &progress, &worker])
        .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// Queues jobs again that this worker holds since `older_ms` and that are not among `held`.
pub(crate) async fn release_orphans(
    client: &Client,
    worker: Uuid,
    held: &[i64],
    older_ms: i64,
) -> Result<u64, Error> {
    client
        .execute(RELEASE_ORPHANS, &[&worker, &(older_ms as f64), &held])
        .await
}

/// Tries to take one of the advisory locks; the session keeps it.
pub(crate) async fn try_lock(client: &Client, lock: i64) -> Result<bool, Error> {
    let row = client
        .query_one("SELECT pg_try_advisory_lock($1)", &[&lock])
        .await?;
    row.try_get(0)
}

/// Runs `statement`, which is [`RESCUE`]: planned anew each time, or prepared.
pub(crate) async fn rescue(
    client: &Client,
    statement: &(impl ToStatement + ?Sized),
    lost_ms: i64,
    overtime_ms: i64,
    attempts: &[i16],
) -> Result<Vec<Rescued>, Error> {
    let rows = client
        .query(statement, &[&(lost_ms as f64), &(overtime_ms as f64), &attempts])
        .await?;
    client.execute(FORGET_WORKERS, &[&((lost_ms * 2) as f64)]).await?;
    rows.iter()
        .map(|row| {
            Ok(Rescued {
                id: row.try_get(0)?,
                kind: row.try_get(1)?,
                priority: row.try_get(2)?,
                reason: row.try_get(3)?,
                attempt: row.try_get(4)?,
            })
        })
        .collect()
}

/// Enters the current slot of a schedule and enqueues its job, both or neither; nothing when the
/// slot was entered before. `job` is `None` when the queue is full: the slot passes without one.
/// Returns whether a job was enqueued.
pub(crate) async fn enter_slot(
    client: &Client,
    schedule: &Schedule,
    job: Option<&NewJob>,
) -> Result<bool, Error> {
    let every = schedule.every.as_secs().max(1) as f64;
    let insert = Columns::insert(3, "", "WHERE EXISTS (SELECT 1 FROM slot)");
    let statement = format!(
        "WITH slot AS (
            INSERT INTO job_schedule AS schedule (name, last_slot)
            VALUES ($1, to_timestamp(floor(extract(epoch FROM now()) / $2::float8) * $2::float8))
            ON CONFLICT (name) DO UPDATE SET last_slot = EXCLUDED.last_slot
            WHERE schedule.last_slot < EXCLUDED.last_slot
            RETURNING 1
        ) {insert} ON CONFLICT (kind, unique_key) WHERE unique_key IS NOT NULL DO NOTHING"
    );
    let columns = Columns::of(job);
    let mut parameters: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> = vec![&schedule.name, &every];
    parameters.extend(columns.parameters());
    Ok(client.execute(&statement, &parameters).await? > 0)
}

/// Queued jobs by kind and priority.
pub(crate) async fn waiting(client: &Client) -> Result<Vec<Waiting>, Error> {
    let rows = client.query(SUMMARY, &[]).await?;
    rows.iter()
        .map(|row| {
            Ok(Waiting {
                kind: row.try_get(0)?,
                priority: row.try_get(1)?,
                depth: row.try_get(2)?,
                oldest_s: row.try_get(3)?,
            })
        })
        .collect()
}

/// Dead letters by kind, without those that were replayed.
pub(crate) async fn dead_letters(client: &Client) -> Result<Vec<(String, i64)>, Error> {
    let rows = client.query(DEAD, &[]).await?;
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect()
}
