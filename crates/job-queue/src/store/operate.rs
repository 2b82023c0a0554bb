//! What operators look at and change. Reads answer rows as JSON objects, named as the columns.

use diesel::sql_types::{Array, BigInt, Bool, Double, Jsonb, Nullable, SmallInt, Text};
use diesel::{OptionalExtension, QueryResult, QueryableByName};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;

use crate::priority::Priority;

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Jsonb)]
    row: Value,
}

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

/// Which dead letters to replay or purge.
#[derive(Clone, Debug)]
pub enum DeadLetters {
    /// Those with these ids.
    Ids(Vec<i64>),
    /// Those of a kind, that died within the last `since_s` seconds, oldest first, at most `limit`.
    Kind {
        /// The kind.
        kind: String,
        /// Seconds; `None`: at any time.
        since_s: Option<f64>,
        /// `None`: all.
        limit: Option<i64>,
    },
    /// Those that died longer ago than so many seconds, of a kind or of all.
    OlderThan {
        /// `None`: of every kind.
        kind: Option<String>,
        /// Seconds.
        age_s: f64,
    },
    /// Those that a filter matches and that died before a job was enqueued; `None` is any.
    Matching {
        /// Of this kind.
        kind: Option<String>,
        /// With this reason.
        reason: Option<String>,
        /// Whose last error contains this text.
        error: Option<String>,
        /// Of no such kind, where `kind` is any.
        except: &'static str,
        /// The job.
        before: i64,
    },
    /// All.
    All,
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

/// $1 ids, $2 kind, $3 seconds since, $4 older than seconds, $6 reason, $7 text of the error, $8
/// the job before which they died, $9 the kind that is left out; each null is any.
const CHOSEN_DEAD: &str = "
    ($1::bigint[] IS NULL OR id = ANY ($1)) AND ($2::text IS NULL OR kind = $2)
    AND ($3::float8 IS NULL OR died_at >= now() - $3 * interval '1 second')
    AND ($4::float8 IS NULL OR died_at < now() - $4 * interval '1 second')
    AND ($6::text IS NULL OR reason = $6) AND ($7::text IS NULL OR strpos(last_error, $7) > 0)
    AND ($8::bigint IS NULL OR died_at < (SELECT created_at FROM job WHERE id = $8)) AND ($9::text IS NULL OR kind <> $9)";

/// New ids are given in the order of the rows, so that both sides pair by position: in an array,
/// because a join of two such tables compares each row with each. Of dead letters
/// with one unique key only the newest is replayed, and none while a job with that key lives.
fn replay_statement() -> String {
    format!(
        "WITH chosen AS MATERIALIZED (
            SELECT * FROM job_dead WHERE replayed_as IS NULL AND {CHOSEN_DEAD} ORDER BY id LIMIT $5 FOR UPDATE
        ),
        ranked AS (
            SELECT *, row_number() OVER (PARTITION BY kind, unique_key ORDER BY id DESC) AS age FROM chosen
        ),
        replayed AS MATERIALIZED (
            SELECT *, row_number() OVER (ORDER BY id) AS position FROM ranked
            WHERE unique_key IS NULL OR age = 1 AND NOT EXISTS (
                SELECT 1 FROM job WHERE job.kind = ranked.kind AND job.unique_key = ranked.unique_key
            )
        ),
        queued AS (
            INSERT INTO job (kind, priority, max_attempts, timeout_ms, unique_key, payload, trace_ctx, api_key_id,
                public_id, min_build)
            SELECT kind, priority, max_attempts, timeout_ms, unique_key, payload, trace_ctx, api_key_id,
                public_id, min_build
            FROM replayed ORDER BY position
            RETURNING id
        ),
        numbered AS MATERIALIZED (
            SELECT array_agg(id ORDER BY id) AS ids FROM queued
        )
        UPDATE job_dead SET replayed_as = ids[position], replayed_at = now()
        FROM replayed, numbered
        WHERE job_dead.id = replayed.id
        RETURNING jsonb_build_object('id', job_dead.id, 'kind', job_dead.kind, 'replayed_as', ids[position]) AS row"
    )
}

fn purge_statement() -> String {
    format!(
        "DELETE FROM job_dead WHERE id = ANY (ARRAY(
            SELECT id FROM job_dead WHERE {CHOSEN_DEAD} ORDER BY id LIMIT $5 FOR UPDATE SKIP LOCKED
        )) RETURNING jsonb_build_object('id', id, 'kind', kind) AS row"
    )
}

/// What one statement removes at most.
const PIECE: i64 = 5_000;

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

fn values(rows: Vec<Row>) -> Vec<Value> {
    rows.into_iter().map(|row| row.row).collect()
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

/// Queues dead letters again, each once whatever number of replays there is: `id`, `kind`,
/// `replayed_as`. At most 5,000 at a time; call it again until it returns none.
pub async fn replay(connection: &mut AsyncPgConnection, chosen: &DeadLetters) -> QueryResult<Vec<Value>> {
    on_dead(connection, &replay_statement(), chosen).await
}

/// Removes dead letters for good: `id`, `kind`. At most 5,000 at a time.
pub async fn purge(connection: &mut AsyncPgConnection, chosen: &DeadLetters) -> QueryResult<Vec<Value>> {
    on_dead(connection, &purge_statement(), chosen).await
}

/// The parameters of [`CHOSEN_DEAD`].
#[derive(Default)]
struct ChosenBy<'a> {
    ids: Option<&'a [i64]>,
    kind: Option<&'a str>,
    since_s: Option<f64>,
    age_s: Option<f64>,
    reason: Option<&'a str>,
    error: Option<&'a str>,
    before: Option<i64>,
    except: Option<&'a str>,
}

async fn on_dead(
    connection: &mut AsyncPgConnection,
    sql: &str,
    chosen: &DeadLetters,
) -> QueryResult<Vec<Value>> {
    let mut chosen_by = ChosenBy::default();
    let mut most = PIECE;
    match chosen {
        DeadLetters::Ids(ids) => chosen_by.ids = Some(ids),
        DeadLetters::Kind { kind, since_s, limit } => {
            chosen_by.kind = Some(kind);
            chosen_by.since_s = *since_s;
            most = limit.unwrap_or(PIECE).min(PIECE);
        }
        DeadLetters::OlderThan { kind, age_s } => {
            chosen_by.kind = kind.as_deref();
            chosen_by.age_s = Some(*age_s);
        }
        DeadLetters::Matching {
            kind,
            reason,
            error,
            except,
            before,
        } => {
            chosen_by.kind = kind.as_deref();
            chosen_by.reason = reason.as_deref();
            chosen_by.error = error.as_deref();
            chosen_by.except = kind.is_none().then_some(*except);
            chosen_by.before = Some(*before);
        }
        DeadLetters::All => {}
    }
    let rows: Vec<Row> = diesel::sql_query(sql)
        .bind::<Nullable<Array<BigInt>>, _>(chosen_by.ids)
        .bind::<Nullable<Text>, _>(chosen_by.kind)
        .bind::<Nullable<Double>, _>(chosen_by.since_s)
        .bind::<Nullable<Double>, _>(chosen_by.age_s)
        .bind::<BigInt, _>(most)
        .bind::<Nullable<Text>, _>(chosen_by.reason)
        .bind::<Nullable<Text>, _>(chosen_by.error)
        .bind::<Nullable<BigInt>, _>(chosen_by.before)
        .bind::<Nullable<Text>, _>(chosen_by.except)
        .load(connection)
        .await?;
    Ok(values(rows))
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
