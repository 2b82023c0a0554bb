//! The INSERT of jobs, in the three forms that callers need.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Integer, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{QueryResult, QueryableByName};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use tokio_postgres::GenericClient;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::kind::Kind;
use crate::new_job::NewJob;

/// Jobs as arrays of columns, for a statement that stores something else as well.
///
/// The parameters of [`Columns::insert`], in the order of [`Columns::parameters`].
#[derive(Debug, Default)]
pub struct Columns<'a> {
    kind: Vec<&'a str>,
    priority: Vec<i16>,
    payload: Vec<&'a str>,
    timeout_ms: Vec<i32>,
    max_attempts: Vec<Option<i16>>,
    run_at: Vec<Option<DateTime<Utc>>>,
    delay_ms: Vec<i64>,
    unique_key: Vec<Option<&'a str>>,
    trace_ctx: Vec<Option<&'a str>>,
    api_key_id: Vec<Option<Uuid>>,
    public_id: Vec<Option<Uuid>>,
    min_build: Vec<i32>,
}

/// Columns of the arrays with their types, in the order of the parameters.
const ARRAYS: [(&str, &str); Columns::COUNT] = [
    ("kind", "text"),
    ("priority", "smallint"),
    ("payload", "text"),
    ("timeout_ms", "integer"),
    ("max_attempts", "smallint"),
    ("run_at", "timestamptz"),
    ("delay_ms", "bigint"),
    ("unique_key", "text"),
    ("trace_ctx", "text"),
    ("api_key_id", "uuid"),
    ("public_id", "uuid"),
    ("min_build", "integer"),
];

impl<'a> Columns<'a> {
    /// Number of parameters.
    pub const COUNT: usize = 12;

    /// The columns of these jobs.
    pub fn of(jobs: impl IntoIterator<Item = &'a NewJob>) -> Columns<'a> {
        let mut columns = Columns::default();
        for job in jobs {
            columns.push(job);
        }
        columns
    }

    fn push(&mut self, job: &'a NewJob) {
        self.kind.push(job.kind);
        self.priority.push(job.priority.number());
        self.payload.push(&job.payload);
        self.timeout_ms.push(job.timeout_ms);
        self.max_attempts.push(job.max_attempts);
        self.run_at.push(job.run_at);
        self.delay_ms.push(job.delay_ms);
        self.unique_key.push(job.unique_key.as_deref());
        self.trace_ctx.push(job.trace_ctx.as_deref());
        self.api_key_id.push(job.api_key_id);
        self.public_id.push(job.public_id);
        self.min_build.push(job.min_build);
    }

    /// The values of `$first`, `$first + 1` …
    #[must_use]
    pub fn parameters(&self) -> [&(dyn ToSql + Sync); Columns::COUNT] {
        [
            &self.kind,
            &self.priority,
            &self.payload,
            &self.timeout_ms,
            &self.max_attempts,
            &self.run_at,
            &self.delay_ms,
            &self.unique_key,
            &self.trace_ctx,
            &self.api_key_id,
            &self.public_id,
            &self.min_build,
        ]
    }

    /// `INSERT INTO job …` whose arrays are the parameters from `$first` on, to be put into a
    /// `WITH`. `more` are columns of the caller, each `, unnest($30::uuid[]) AS order_id`;
    /// `condition` chooses rows by them: `WHERE order_id IN (SELECT id FROM placed)`.
    #[must_use]
    pub fn insert(first: usize, more: &str, condition: &str) -> String {
        let arrays: Vec<String> = (first..)
            .zip(ARRAYS)
            .map(|(number, (name, r#type))| format!("unnest(${number}::{type}[]) AS {name}"))
            .collect();
        format!(
            "INSERT INTO job (kind, priority, payload, timeout_ms, max_attempts, run_at, unique_key, trace_ctx, \
             api_key_id, public_id, min_build) \
             SELECT kind, priority, payload::jsonb, timeout_ms, max_attempts, \
             coalesce(run_at, now() + delay_ms * interval '1 millisecond'), unique_key, trace_ctx, \
             api_key_id, public_id, min_build \
             FROM (SELECT {}{more}) AS new_job {condition}",
            arrays.join(", ")
        )
    }
}

/// The whole statement; unique jobs that are there already are left out.
fn statement(jobs: &[NewJob]) -> String {
    let conflict = match jobs.iter().any(|job| job.unique_key.is_some()) {
        true => "ON CONFLICT (kind, unique_key) WHERE unique_key IS NOT NULL DO NOTHING",
        false => "",
    };
    format!("{} {conflict} RETURNING id", Columns::insert(1, "", ""))
}

#[derive(QueryableByName)]
struct Inserted {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// Inserts jobs within the caller's diesel-async transaction, or in one of its own; returns their
/// ids in order, without those of unique jobs that wait or run already.
///
/// Call [`Queue::wake`](crate::Queue::wake) after COMMIT.
///
/// # Errors
/// Whatever the database says.
pub async fn enqueue(connection: &mut AsyncPgConnection, jobs: &[NewJob]) -> QueryResult<Vec<i64>> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let columns = Columns::of(jobs);
    let rows: Vec<Inserted> = diesel::sql_query(statement(jobs))
        .bind::<Array<Text>, _>(columns.kind)
        .bind::<Array<SmallInt>, _>(columns.priority)
        .bind::<Array<Text>, _>(columns.payload)
        .bind::<Array<Integer>, _>(columns.timeout_ms)
        .bind::<Array<Nullable<SmallInt>>, _>(columns.max_attempts)
        .bind::<Array<Nullable<Timestamptz>>, _>(columns.run_at)
        .bind::<Array<BigInt>, _>(columns.delay_ms)
        .bind::<Array<Nullable<Text>>, _>(columns.unique_key)
        .bind::<Array<Nullable<Text>>, _>(columns.trace_ctx)
        .bind::<Array<Nullable<SqlUuid>>, _>(columns.api_key_id)
        .bind::<Array<Nullable<SqlUuid>>, _>(columns.public_id)
        .bind::<Array<Integer>, _>(columns.min_build)
        .load(connection)
        .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// The same within a tokio-postgres transaction, or over a client.
///
/// # Errors
/// Whatever the database says.
pub async fn enqueue_on(
    client: &impl GenericClient,
    jobs: &[NewJob],
) -> Result<Vec<i64>, tokio_postgres::Error> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let columns = Columns::of(jobs);
    let rows = client.query(&statement(jobs), &columns.parameters()).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// `INSERT INTO job …` of a job of this kind for each row of `rows`, which stands after FROM, to be
/// put into a `WITH`; `payload` is an expression of type jsonb, `trace` one of type text: the W3C
/// traceparent or NULL. Values other than the kind's, and the capacity of its priority, do not
/// come in.
#[must_use]
pub fn insert_from(kind: Kind, payload: &str, trace: &str, rows: &str) -> String {
    let NewJob {
        kind,
        priority,
        timeout_ms,
        max_attempts,
        ..
    } = NewJob::raw(kind, String::new());
    let max_attempts = max_attempts.map_or("NULL".to_owned(), |attempts| attempts.to_string());
    format!(
        "INSERT INTO job (kind, priority, payload, timeout_ms, max_attempts, trace_ctx) \
         SELECT '{kind}', {}, {payload}, {timeout_ms}, {max_attempts}::smallint, {trace} FROM {rows}",
        priority.number()
    )
}
