//! Jobs as clients see them: by their public id.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Bool, Jsonb, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryResult, QueryableByName};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

/// A job that has a public id, wherever it is in its life.
#[derive(Clone, Debug, QueryableByName)]
pub struct PublicJob {
    /// Its kind.
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// `queued`, `running`, `done`, or the reason of a dead letter: `exhausted`, `permanent`,
    /// `poison`, `cancelled`.
    #[diesel(sql_type = Text)]
    pub state: String,
    /// The API key whose request enqueued it.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub api_key_id: Option<Uuid>,
    /// When it was enqueued.
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    /// When the running attempt was claimed, or the last one.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub started_at: Option<DateTime<Utc>>,
    /// When it was completed or became a dead letter.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub finished_at: Option<DateTime<Utc>>,
    /// Attempts that were claimed.
    #[diesel(sql_type = SmallInt)]
    pub attempt: i16,
    /// What the handler last said of its progress.
    #[diesel(sql_type = Nullable<Jsonb>)]
    pub progress: Option<Value>,
    /// What the handler returned, once `done`.
    #[diesel(sql_type = Nullable<Jsonb>)]
    pub result: Option<Value>,
    /// Error of the last failed attempt.
    #[diesel(sql_type = Nullable<Text>)]
    pub last_error: Option<String>,
    /// Whether a running attempt was asked to end.
    #[diesel(sql_type = Bool)]
    pub cancel_requested: bool,
}

const FIND: &str = "
    SELECT kind, CASE state WHEN 1 THEN 'running' ELSE 'queued' END AS state, api_key_id, created_at,
        locked_at AS started_at, NULL::timestamptz AS finished_at, attempt, progress, NULL::jsonb AS result, last_error,
        cancel_requested_at IS NOT NULL AS cancel_requested, 0 AS place
    FROM job WHERE public_id = $1
    UNION ALL
    SELECT kind, outcome, api_key_id, created_at, NULL, finished_at, attempt, progress, result, NULL, false, 1
    FROM job_result WHERE public_id = $1
    UNION ALL
    (SELECT kind, reason, api_key_id, created_at, NULL, died_at, attempt, progress, NULL, last_error, false, 2
    FROM job_dead WHERE public_id = $1 ORDER BY died_at DESC LIMIT 1)
    ORDER BY place LIMIT 1";

/// The job with this public id: the live one, else its result, else its newest dead letter.
///
/// # Errors
/// Whatever the database says.
pub async fn find_public(
    connection: &mut AsyncPgConnection,
    public_id: Uuid,
) -> QueryResult<Option<PublicJob>> {
    diesel::sql_query(FIND)
        .bind::<SqlUuid, _>(public_id)
        .get_result(connection)
        .await
        .optional()
}
