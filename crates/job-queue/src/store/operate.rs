//! What operators look at and change. Reads answer rows as JSON objects, named as the columns.

use diesel::sql_types::{BigInt, Bool, Double, Nullable, SmallInt, Text};
use diesel::{OptionalExtension, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;

use super::dead_letters::PIECE;
pub use super::dead_letters::{DeadLetters, purge, replay, time_of};
use super::row::{Row, values};
use crate::priority::Priority;

/// Which jobs to list; `None` is any.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// Of this kind.
    pub kind: Option<String>,
    /// Of this priority.
    pub priority: Option<Priority>,
    /// `Some(true)`: running; `Some(false)`: queued.
    pub running: Option<bool>,
    /// At most so many.
    pub limit: i64,
}

const STATS: &str = "
    SELECT jsonb_build_object('kind', kind, 'priority', priority,
        'queued', count(*) FILTER (WHERE state = 0), 'due', count(*) FILTER (WHERE state = 0 AND run_at <= now()),
        'running', count(*) FILTER (WHERE state = 1), 'dead', 0,
        'oldest_s', coalesce(extract(epoch FROM now() - min(run_at) FILTER (WHERE state = 0 AND run_at <= now())), 0)) AS row
    FROM job GROUP BY kind, priority
    UNION ALL
    SELECT jsonb_build_object('kind', kind, 'priority', priority, 'queued', 0, 'due', 0, 'running', 0,
        'dead', count(*), 'oldest_s', 0)
    FROM job_dead WHERE replayed_as IS NULL GROUP BY kind, priority";

const PAUSES: &str = "SELECT to_jsonb(job_control) AS row FROM job_control ORDER BY scope";

const WORKERS: &str = "
    SELECT to_jsonb(job_worker) || jsonb_build_object(
        'running', (SELECT count(*) FROM job WHERE state = 1 AND locked_by = job_worker.id),
        'heartbeat_age_s', extract(epoch FROM now() - heartbeat_at)) AS row
    FROM job_worker ORDER BY started_at, id";

const RUNNING: &str = "
    SELECT jsonb_build_object('id', job.id, 'kind', kind, 'priority', priority, 'attempt', attempt,
        'pod', coalesce(pod, ''), 'worker', locked_by, 'locked_at', locked_at,
        'running_s', extract(epoch FROM now() - locked_at), 'progress', progress) AS row
    FROM job LEFT JOIN job_worker ON job_worker.id = locked_by
    WHERE state = 1 AND ($1::text IS NULL OR pod = $1) ORDER BY locked_at, job.id";

const LIST: &str = "
    SELECT to_jsonb(job) - 'payload' - 'attempts' AS row FROM job
    WHERE ($1::text IS NULL OR kind = $1) AND ($2::smallint IS NULL OR priority = $2)
        AND ($3::boolean IS NULL OR (state = 1) = $3)
    ORDER BY priority, state DESC, run_at, id LIMIT $4";

const SHOW: &str = "SELECT to_jsonb(job) AS row FROM job WHERE id = $1";

const SCHEDULES: &str = "SELECT to_jsonb(job_schedule) AS row FROM job_schedule ORDER BY name";

const RUN_NOW: &str = "
    UPDATE job SET run_at = now() WHERE id = $1 AND state = 0 RETURNING to_jsonb(job) - 'payload' AS row";

const PAUSE: &str = "
    INSERT INTO job_control (scope, paused_by, reason) VALUES ($1, $2, $3)
    ON CONFLICT (scope) DO UPDATE SET paused_by = EXCLUDED.paused_by, reason = EXCLUDED.reason";

const RESUME: &str = "DELETE FROM job_control WHERE scope = $1 RETURNING to_jsonb(job_control) AS row";

const PAUSE_OF: &str = "SELECT to_jsonb(job_control) AS row FROM job_control WHERE scope = $1";

const LIST_DEAD: &str = "
    SELECT to_jsonb(job_dead) - 'payload' - 'attempts' AS row FROM job_dead
    WHERE ($1::text IS NULL OR kind = $1) AND ($2::boolean OR replayed_as IS NULL) ORDER BY died_at DESC, id DESC LIMIT $3";

const SHOW_DEAD: &str = "SELECT to_jsonb(job_dead) AS row FROM job_dead WHERE id = $1";

const OLD_RESULTS: &str = "
    DELETE FROM job_result WHERE public_id = ANY (ARRAY(
        SELECT public_id FROM job_result WHERE finished_at < now() - $1 * interval '1 second'
        ORDER BY finished_at LIMIT $2))";

const OLD_REPLAYED: &str = "
    DELETE FROM job_dead WHERE id = ANY (ARRAY(
        SELECT id FROM job_dead WHERE replayed_as IS NOT NULL AND replayed_at < now() - $1 * interval '1 second'
        ORDER BY replayed_at LIMIT $2))";

async fn rows(connection: &mut AsyncPgConnection, sql: &str) -> QueryResult<Vec<Value>> {
    let rows: Vec<Row> = diesel::sql_query(sql).load(connection).await?;
    Ok(values(rows))
}

/// Per kind and priority: `queued`, `due`, `running`, `dead`, `oldest_s`. Rows of living jobs and
/// of dead letters stand beside each other.
///
/// # Errors
/// Whatever the database says; the same of all functions here.
pub async fn stats(connection: &mut AsyncPgConnection) -> QueryResult<Vec<Value>> {
    rows(connection, STATS).await
}

/// Scopes that are paused.
pub async fn pauses(connection: &mut AsyncPgConnection) -> QueryResult<Vec<Value>> {
    rows(connection, PAUSES).await
}

/// Workers with `running` and `heartbeat_age_s`.
pub async fn workers(connection: &mut AsyncPgConnection) -> QueryResult<Vec<Value>> {
    rows(connection, WORKERS).await
}

/// Schedules with their last slot.
pub async fn schedules(connection: &mut AsyncPgConnection) -> QueryResult<Vec<Value>> {
    rows(connection, SCHEDULES).await
}

/// Running jobs, of one pod or of all, longest first.
pub async fn running(connection: &mut AsyncPgConnection, pod: Option<&str>) -> QueryResult<Vec<Value>> {
    let rows: Vec<Row> = diesel::sql_query(RUNNING)
        .bind::<Nullable<Text>, _>(pod)
        .load(connection)
        .await?;
    Ok(values(rows))
}

/// Jobs that wait or run, without payloads.
pub async fn list(connection: &mut AsyncPgConnection, filter: &JobFilter) -> QueryResult<Vec<Value>> {
    let rows: Vec<Row> = diesel::sql_query(LIST)
        .bind::<Nullable<Text>, _>(&filter.kind)
        .bind::<Nullable<SmallInt>, _>(filter.priority.map(Priority::number))
        .bind::<Nullable<Bool>, _>(filter.running)
        .bind::<BigInt, _>(filter.limit)
        .load(connection)
        .await?;
    Ok(values(rows))
}

/// A job that waits or runs.
pub async fn show(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<Value>> {
    by_id(connection, SHOW, id).await
}

/// A dead letter.
pub async fn show_dead(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<Value>> {
    by_id(connection, SHOW_DEAD, id).await
}

/// Makes a queued job due now; `None` when it is not queued.
pub async fn run_now(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<Option<Value>> {
    by_id(connection, RUN_NOW, id).await
}

async fn by_id(connection: &mut AsyncPgConnection, sql: &str, id: i64) -> QueryResult<Option<Value>> {
    let row: Option<Row> = diesel::sql_query(sql)
        .bind::<BigInt, _>(id)
        .get_result(connection)
        .await
        .optional()?;
    Ok(row.map(|row| row.row))
}

/// Dead letters without payloads, newest first; `replayed`: those too that were replayed.
pub async fn list_dead(
    connection: &mut AsyncPgConnection,
    kind: Option<&str>,
    replayed: bool,
    limit: i64,
) -> QueryResult<Vec<Value>> {
    let rows: Vec<Row> = diesel::sql_query(LIST_DEAD)
        .bind::<Nullable<Text>, _>(kind)
        .bind::<Bool, _>(replayed)
        .bind::<BigInt, _>(limit)
        .load(connection)
        .await?;
    Ok(values(rows))
}

/// Pauses a scope: `*`, `priority:LOW` or `kind:name`. Returns the pause that stood before.
pub async fn pause(
    connection: &mut AsyncPgConnection,
    scope: &str,
    by: &str,
    reason: &str,
) -> QueryResult<Option<Value>> {
    let before: Option<Row> = diesel::sql_query(PAUSE_OF)
        .bind::<Text, _>(scope)
        .get_result(connection)
        .await
        .optional()?;
    diesel::sql_query(PAUSE)
        .bind::<Text, _>(scope)
        .bind::<Text, _>(by)
        .bind::<Text, _>(reason)
        .execute(connection)
        .await?;
    Ok(before.map(|row| row.row))
}

/// Ends the pause of a scope; `None` when there is none.
pub async fn resume(connection: &mut AsyncPgConnection, scope: &str) -> QueryResult<Option<Value>> {
    let row: Option<Row> = diesel::sql_query(RESUME)
        .bind::<Text, _>(scope)
        .get_result(connection)
        .await
        .optional()?;
    Ok(row.map(|row| row.row))
}

/// Removes results and replayed dead letters older than so many seconds, at most 5,000 of each;
/// returns how many. Dead letters that were not replayed stay.
pub async fn remove_old(connection: &mut AsyncPgConnection, older_than_s: f64) -> QueryResult<usize> {
    let mut removed = 0;
    for sql in [OLD_RESULTS, OLD_REPLAYED] {
        removed += diesel::sql_query(sql)
            .bind::<Double, _>(older_than_s)
            .bind::<BigInt, _>(PIECE)
            .execute(connection)
            .await?;
    }
    Ok(removed)
}
