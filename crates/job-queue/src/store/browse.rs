//! Reads for pages: bounded in rows looked at, whatever the number of jobs.

use diesel::sql_types::{Array, BigInt, Bool, Jsonb, Nullable, SmallInt, Text};
use diesel::{OptionalExtension, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use serde_json::Value;

use super::row::{Row, values};
use crate::kind::Kind;
use crate::priority::Priority;
use crate::store::BY_INDEX;

/// Which jobs to look for; `None` is any.
#[derive(Clone, Debug, Default)]
pub struct JobQuery {
    /// Of this kind.
    pub kind: Option<String>,
    /// Of this priority.
    pub priority: Option<Priority>,
    /// `Some(true)`: running; `Some(false)`: queued.
    pub running: Option<bool>,
    /// Whose last error contains this text.
    pub error: Option<String>,
    /// With an id below this one.
    pub before: Option<i64>,
}

/// Which dead letters to look for; `None` is any.
#[derive(Clone, Debug, Default)]
pub struct DeadQuery {
    /// Of this kind.
    pub kind: Option<String>,
    /// With this reason.
    pub reason: Option<String>,
    /// Whose last error contains this text.
    pub error: Option<String>,
    /// Those too that were replayed.
    pub replayed: bool,
    /// With an id below this one.
    pub before: Option<i64>,
}

/// A page of rows.
#[derive(Clone, Debug)]
pub struct Newest {
    /// At most 50, newest first, without payloads.
    pub rows: Vec<Value>,
    /// Rows below this id were not looked at: `before` of the next page.
    pub older_than: Option<i64>,
}

/// Rows of a page.
const PAGE: usize = 50;
/// More are counted as 10,001.
const COUNTED: u64 = 10_000;
/// Rows that are looked at for one page.
const LOOKED_AT: i64 = 20_000;

/// Counts stop at $1, and are 10,001 where that is 0; the oldest of each kind comes from the claim
/// index, so that kinds are hopped over rather than read.
const PRIORITIES: &str = "
    WITH RECURSIVE kinds AS (
        (SELECT priority, kind FROM job WHERE state = 0 ORDER BY priority, kind LIMIT 1)
        UNION ALL
        SELECT next.priority, next.kind FROM kinds, LATERAL (
            SELECT priority, kind FROM job
            WHERE state = 0 AND (priority, kind) > (kinds.priority, kinds.kind) ORDER BY priority, kind LIMIT 1
        ) AS next
    )
    SELECT jsonb_build_object('priority', priority,
        'waiting', CASE most WHEN 0 THEN 10001 ELSE (SELECT count(*) FROM (
            SELECT 1 FROM job WHERE state = 0 AND job.priority = known.priority LIMIT most) AS waiting) END,
        'running', (SELECT count(*) FROM job WHERE state = 1 AND job.priority = known.priority),
        'oldest_s', coalesce((
            SELECT round(extract(epoch FROM now() - min(oldest.run_at))::numeric, 1) FROM kinds, LATERAL (
                SELECT run_at FROM job
                WHERE state = 0 AND job.priority = kinds.priority AND job.kind = kinds.kind AND run_at <= now()
                ORDER BY run_at LIMIT 1
            ) AS oldest WHERE kinds.priority = known.priority), 0)) AS row
    FROM unnest('{0,1,2,3,4}'::smallint[], $1::bigint[]) AS known(priority, most) ORDER BY priority";

/// One row more than a page shows that there are more; the last row tells how far was looked. JSON
/// is made of the rows of the page alone.
const NEWEST: &str = "
    WITH looked_at AS MATERIALIZED (
        SELECT id, kind, priority, state, attempt, run_at, last_error FROM job
        WHERE $5::bigint IS NULL OR id < $5 ORDER BY id DESC LIMIT $6
    )
    (SELECT to_jsonb(found) AS row FROM (
        SELECT * FROM looked_at
        WHERE ($1::text IS NULL OR kind = $1) AND ($2::smallint IS NULL OR priority = $2)
            AND ($3::boolean IS NULL OR (state = 1) = $3) AND ($4::text IS NULL OR strpos(last_error, $4) > 0)
        ORDER BY id DESC LIMIT 51
    ) AS found ORDER BY id DESC)
    UNION ALL
    SELECT jsonb_build_object('looked_at', count(*), 'oldest', min(id)) FROM looked_at";

const DEAD: &str = "
    WITH looked_at AS MATERIALIZED (
        SELECT id, kind, reason, attempt, died_at, last_error, replayed_as FROM job_dead
        WHERE $5::bigint IS NULL OR id < $5 ORDER BY id DESC LIMIT $6
    )
    (SELECT to_jsonb(found) AS row FROM (
        SELECT * FROM looked_at
        WHERE ($1::text IS NULL OR kind = $1) AND ($2::text IS NULL OR reason = $2)
            AND ($3::boolean OR replayed_as IS NULL) AND ($4::text IS NULL OR strpos(last_error, $4) > 0)
        ORDER BY id DESC LIMIT 51
    ) AS found ORDER BY id DESC)
    UNION ALL
    SELECT jsonb_build_object('looked_at', count(*), 'oldest', min(id)) FROM looked_at";

const COUNT_DEAD: &str = "
    SELECT to_jsonb(count(*)) AS row FROM (
        SELECT 1 FROM job_dead
        WHERE replayed_as IS NULL AND ($1::text IS NULL OR kind = $1) AND ($2::text IS NULL OR reason = $2)
            AND ($3::text IS NULL OR strpos(last_error, $3) > 0) AND ($1 IS NOT NULL OR kind <> $4)
        LIMIT $5) AS dead";

const PAUSES: &str = "
    SELECT to_jsonb(job_control) || jsonb_build_object('running', (
        SELECT count(*) FROM job WHERE state = 1 AND scope IN ('*', 'kind:' || kind,
            'priority:' || ('{CRITICAL,HIGH,DEFAULT,LOW,BULK}'::text[])[priority + 1]))) AS row
    FROM job_control ORDER BY scope";

const PAYLOAD: &str = "
    SELECT to_jsonb(payload::text) AS row FROM job WHERE id = $1
    UNION ALL SELECT to_jsonb(payload::text) FROM job_dead WHERE id = $1 LIMIT 1";

const RESULTS: &str = "
    WITH looked_at AS MATERIALIZED (
        SELECT public_id, job_id, kind, finished_at, attempt, result FROM job_result
        ORDER BY finished_at DESC LIMIT 5000
    )
    SELECT to_jsonb(looked_at) AS row FROM looked_at WHERE kind = $1 AND result @> $2
    ORDER BY finished_at DESC LIMIT 20";

const ABOUT: &str = "
    (SELECT to_jsonb(waiting) AS row FROM (
        SELECT id, kind, state, attempt, run_at, created_at, last_error, payload FROM job ORDER BY id DESC LIMIT $3
    ) AS waiting WHERE kind = $1 AND payload @> $2 ORDER BY id DESC LIMIT 20)
    UNION ALL
    (SELECT to_jsonb(dead) FROM (
        SELECT id, kind, reason, attempt, died_at, last_error, payload FROM job_dead ORDER BY id DESC LIMIT $3
    ) AS dead WHERE kind = $1 AND payload @> $2 ORDER BY id DESC LIMIT 20)";

const FLOW: &str = "
    SELECT jsonb_build_object('added', n_tup_ins, 'removed', n_tup_del) AS row
    FROM pg_stat_user_tables WHERE relid = 'job'::regclass";

const OF_KIND: &str = "
    SELECT to_jsonb(job) AS row FROM job WHERE state = 1 AND kind = $1
    UNION ALL
    (SELECT to_jsonb(job) FROM job WHERE state = 0 AND priority = $2 AND kind = $1 ORDER BY run_at, id LIMIT 20)";

/// The five priorities with `waiting` (at most 10,001), `running` and `oldest_s`, the age of the
/// oldest due job in seconds. `sampled` are the depths of [`Queue::depth`](crate::Queue::depth):
/// beyond 10,000 nothing is counted anew. The rest of the transaction is planned by indexes.
///
/// # Errors
/// Whatever the database says; the same of all functions here.
pub async fn priorities(connection: &mut AsyncPgConnection, sampled: [u64; 5]) -> QueryResult<Vec<Value>> {
    let most = sampled.map(|depth| {
        if depth > COUNTED {
            0
        } else {
            COUNTED.cast_signed() + 1
        }
    });
    connection.batch_execute(BY_INDEX).await?;
    let rows: Vec<Row> = diesel::sql_query(PRIORITIES)
        .bind::<Array<BigInt>, _>(most.to_vec())
        .load(connection)
        .await?;
    Ok(values(rows))
}

/// Jobs that wait or run, newest first, among the 20,000 below `before`.
pub async fn newest(connection: &mut AsyncPgConnection, query: &JobQuery) -> QueryResult<Newest> {
    let is_any =
        query.kind.is_none() && query.priority.is_none() && query.running.is_none() && query.error.is_none();
    let most = looked_at(is_any);
    let rows: Vec<Row> = diesel::sql_query(NEWEST)
        .bind::<Nullable<Text>, _>(&query.kind)
        .bind::<Nullable<SmallInt>, _>(query.priority.map(Priority::number))
        .bind::<Nullable<Bool>, _>(query.running)
        .bind::<Nullable<Text>, _>(&query.error)
        .bind::<Nullable<BigInt>, _>(query.before)
        .bind::<BigInt, _>(most)
        .load(connection)
        .await?;
    Ok(page(rows, most))
}

/// Dead letters, newest first, among the 20,000 below `before`.
pub async fn dead(connection: &mut AsyncPgConnection, query: &DeadQuery) -> QueryResult<Newest> {
    // Replayed ones are left out, so that even without a filter not every row is shown.
    let most = looked_at(false);
    let rows: Vec<Row> = diesel::sql_query(DEAD)
        .bind::<Nullable<Text>, _>(&query.kind)
        .bind::<Nullable<Text>, _>(&query.reason)
        .bind::<Bool, _>(query.replayed)
        .bind::<Nullable<Text>, _>(&query.error)
        .bind::<Nullable<BigInt>, _>(query.before)
        .bind::<BigInt, _>(most)
        .load(connection)
        .await?;
    Ok(page(rows, most))
}

/// Rows to look at: without a filter those of the page, and the one that tells of more.
fn looked_at(is_any: bool) -> i64 {
    match is_any {
        true => PAGE as i64 + 1,
        false => LOOKED_AT,
    }
}

fn page(rows: Vec<Row>, most: i64) -> Newest {
    let mut rows = values(rows);
    let extent = rows.pop().unwrap_or_default();
    let member = |row: &Value, name: &str| row.get(name).and_then(Value::as_i64);
    let has_more = rows.len() > PAGE;
    rows.truncate(PAGE);
    let older_than = match has_more {
        true => rows.last().and_then(|row| member(row, "id")),
        false if member(&extent, "looked_at") == Some(most) => member(&extent, "oldest"),
        false => None,
    };
    Newest { rows, older_than }
}

/// The payload of a job or a dead letter as the database writes it: numbers keep all their digits.
pub async fn payload(connection: &mut AsyncPgConnection, id: i64) -> QueryResult<String> {
    let row: Option<Row> = diesel::sql_query(PAYLOAD)
        .bind::<BigInt, _>(id)
        .get_result(connection)
        .await
        .optional()?;
    let text = row.and_then(|row| row.row.as_str().map(str::to_owned));
    Ok(text.unwrap_or_default())
}

/// What is paused, with `running`: its jobs that have not ended yet.
pub async fn pauses(connection: &mut AsyncPgConnection) -> QueryResult<Vec<Value>> {
    let rows: Vec<Row> = diesel::sql_query(PAUSES).load(connection).await?;
    Ok(values(rows))
}

/// How many dead letters that were not replayed match; at most `bound`. Those of the kind `except`
/// count only where it is asked for.
pub async fn count_dead(
    connection: &mut AsyncPgConnection,
    query: &DeadQuery,
    except: &str,
    bound: i64,
) -> QueryResult<i64> {
    let row: Row = diesel::sql_query(COUNT_DEAD)
        .bind::<Nullable<Text>, _>(&query.kind)
        .bind::<Nullable<Text>, _>(&query.reason)
        .bind::<Nullable<Text>, _>(&query.error)
        .bind::<Text, _>(except)
        .bind::<BigInt, _>(bound)
        .get_result(connection)
        .await?;
    Ok(row.row.as_i64().unwrap_or_default())
}

/// The newest 20 results of a kind among the last 5,000 of all kinds, newest first.
pub async fn results(
    connection: &mut AsyncPgConnection,
    kind: &str,
    about: &Value,
) -> QueryResult<Vec<Value>> {
    let rows: Vec<Row> = diesel::sql_query(RESULTS)
        .bind::<Text, _>(kind)
        .bind::<Jsonb, _>(about)
        .load(connection)
        .await?;
    Ok(values(rows))
}

/// Jobs and dead letters of a kind with this in their payloads, newest first: 20 of each among the
/// last 20,000.
pub async fn about(connection: &mut AsyncPgConnection, kind: &str, about: &Value) -> QueryResult<Vec<Value>> {
    let rows: Vec<Row> = diesel::sql_query(ABOUT)
        .bind::<Text, _>(kind)
        .bind::<Jsonb, _>(about)
        .bind::<BigInt, _>(LOOKED_AT)
        .load(connection)
        .await?;
    Ok(values(rows))
}

/// Jobs that were added to the queue and that left it since the statistics of the database were
/// last reset: what the database counts of the table, a second old at most.
pub async fn flow(connection: &mut AsyncPgConnection) -> QueryResult<(i64, i64)> {
    let row: Row = diesel::sql_query(FLOW).get_result(connection).await?;
    let number = |name| row.row.get(name).and_then(Value::as_i64).unwrap_or_default();
    Ok((number("added"), number("removed")))
}

/// The running jobs of a kind, and the first 20 that wait with its own priority; with payloads.
pub async fn of_kind(connection: &mut AsyncPgConnection, kind: Kind) -> QueryResult<Vec<Value>> {
    let rows: Vec<Row> = diesel::sql_query(OF_KIND)
        .bind::<Text, _>(kind.name)
        .bind::<SmallInt, _>(kind.priority.number())
        .load(connection)
        .await?;
    Ok(values(rows))
}
