//! Dead letters: chosen, replayed, purged.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Double, Nullable, Text, Timestamptz};
use diesel::{QueryResult, QueryableByName};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;

use super::row::{Row, values};

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
    /// Those that a filter matches; `None` is any.
    Matching {
        /// Of this kind.
        kind: Option<String>,
        /// With this reason.
        reason: Option<String>,
        /// Whose last error contains this text.
        error: Option<String>,
        /// Of no such kind, where `kind` is any.
        except: &'static str,
    },
    /// All.
    All,
}

/// $1 ids, $2 kind, $3 seconds since, $4 older than seconds, $6 reason, $7 text of the error, $8
/// the time before which they died, $9 the kind that is left out; each null is any.
const CHOSEN_DEAD: &str = "
    ($1::bigint[] IS NULL OR id = ANY ($1)) AND ($2::text IS NULL OR kind = $2)
    AND ($3::float8 IS NULL OR died_at >= now() - $3 * interval '1 second')
    AND ($4::float8 IS NULL OR died_at < now() - $4 * interval '1 second')
    AND ($6::text IS NULL OR reason = $6) AND ($7::text IS NULL OR strpos(last_error, $7) > 0)
    AND ($8::timestamptz IS NULL OR died_at < $8) AND ($9::text IS NULL OR kind <> $9)";

/// New ids are given in the order of the rows, so that both sides pair by position: in an array,
/// because a join of two such tables compares each row with each. Of dead letters with one unique
/// key only the newest is replayed, and none while a job with that key lives; one that is enqueued
/// at the same time goes before it.
fn replay_statement() -> String {
    format!(
        "WITH chosen AS MATERIALIZED (
            SELECT * FROM job_dead
            WHERE replayed_as IS NULL AND {CHOSEN_DEAD} AND (unique_key IS NULL OR NOT EXISTS (
                SELECT 1 FROM job WHERE job.kind = job_dead.kind AND job.unique_key = job_dead.unique_key
            ))
            ORDER BY id LIMIT $5 FOR UPDATE
        ),
        ranked AS (
            SELECT *, row_number() OVER (PARTITION BY kind, unique_key ORDER BY id DESC) AS age FROM chosen
        ),
        newest AS MATERIALIZED (
            SELECT * FROM ranked WHERE unique_key IS NULL OR age = 1
        ),
        queued AS (
            INSERT INTO job (kind, priority, max_attempts, timeout_ms, unique_key, payload, trace_ctx, api_key_id,
                public_id, min_build)
            SELECT kind, priority, max_attempts, timeout_ms, unique_key, payload, trace_ctx, api_key_id,
                public_id, min_build
            FROM newest ORDER BY id
            ON CONFLICT (kind, unique_key) WHERE unique_key IS NOT NULL DO NOTHING
            RETURNING id, kind, unique_key
        ),
        numbered AS MATERIALIZED (
            SELECT array_agg(id ORDER BY id) AS ids FROM queued
        ),
        replayed AS MATERIALIZED (
            SELECT id, row_number() OVER (ORDER BY id) AS position FROM newest
            WHERE unique_key IS NULL OR (kind, unique_key) IN (
                SELECT kind, unique_key FROM queued WHERE unique_key IS NOT NULL
            )
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
pub(super) const PIECE: i64 = 5_000;

/// When a job was enqueued; now, if there is none. For the last argument of [`replay`] and
/// [`purge`].
pub async fn time_of(connection: &mut AsyncPgConnection, job: Option<i64>) -> QueryResult<DateTime<Utc>> {
    let time = "SELECT coalesce((SELECT created_at FROM job WHERE id = $1), now()) AS at";
    let row: Time = diesel::sql_query(time)
        .bind::<Nullable<BigInt>, _>(job)
        .get_result(connection)
        .await?;
    Ok(row.at)
}

#[derive(QueryableByName)]
struct Time {
    #[diesel(sql_type = Timestamptz)]
    at: DateTime<Utc>,
}

/// Queues dead letters again that died before a time (`None`: whenever), each once whatever number
/// of replays there is: `id`, `kind`, `replayed_as`. At most 5,000 at a time; call it again until
/// it returns none, with a time: jobs that fail at once are dead letters again meanwhile.
pub async fn replay(
    connection: &mut AsyncPgConnection,
    chosen: &DeadLetters,
    before: Option<DateTime<Utc>>,
) -> QueryResult<Vec<Value>> {
    on_dead(connection, &replay_statement(), chosen, before).await
}

/// Removes dead letters for good: `id`, `kind`. At most 5,000 at a time, as [`replay`].
pub async fn purge(
    connection: &mut AsyncPgConnection,
    chosen: &DeadLetters,
    before: Option<DateTime<Utc>>,
) -> QueryResult<Vec<Value>> {
    on_dead(connection, &purge_statement(), chosen, before).await
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
    except: Option<&'a str>,
}

async fn on_dead(
    connection: &mut AsyncPgConnection,
    sql: &str,
    chosen: &DeadLetters,
    before: Option<DateTime<Utc>>,
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
        } => {
            chosen_by.kind = kind.as_deref();
            chosen_by.reason = reason.as_deref();
            chosen_by.error = error.as_deref();
            chosen_by.except = kind.is_none().then_some(*except);
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
        .bind::<Nullable<Timestamptz>, _>(before)
        .bind::<Nullable<Text>, _>(chosen_by.except)
        .load(connection)
        .await?;
    Ok(values(rows))
}
