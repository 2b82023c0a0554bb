//! Cancelling: a queued job becomes a dead letter at once, a running one is asked to end.

use diesel::sql_types::{BigInt, Nullable, SmallInt, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryResult, QueryableByName};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

/// A job to cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelTarget {
    /// By its id.
    Id(i64),
    /// By the id that clients see.
    Public(Uuid),
}

/// What cancelling did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It waited, and is a dead letter with the reason `cancelled` now.
    Queued(i64),
    /// It runs, and was asked to end: see [`Run::cancelled`](crate::Run::cancelled).
    Running(i64),
}

/// One row, locked, so that the job is not claimed in between.
const CANCEL: &str = "
    WITH target AS MATERIALIZED (
        SELECT * FROM job WHERE id = $1 OR public_id = $2 FOR UPDATE
    ),
    asked AS (
        UPDATE job SET cancel_requested_at = coalesce(job.cancel_requested_at, now())
        FROM target WHERE job.id = target.id AND target.state = 1
    ),
    dead AS (
        INSERT INTO job_dead (id, kind, priority, created_at, reason, attempt, max_attempts, rescues, timeout_ms, unique_key,
            payload, trace_ctx, last_error, attempts, progress, api_key_id, public_id, min_build)
        SELECT id, kind, priority, created_at, 'cancelled', attempt, max_attempts, rescues, timeout_ms, unique_key,
            payload, trace_ctx, last_error, attempts, progress, api_key_id, public_id, min_build
        FROM target WHERE state = 0
    ),
    gone AS (
        DELETE FROM job USING target WHERE job.id = target.id AND target.state = 0
    )
    SELECT id, state FROM target";

#[derive(QueryableByName)]
struct Target {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = SmallInt)]
    state: i16,
}

/// Cancels a job that waits or runs; `None` when there is none.
///
/// # Errors
/// Whatever the database says.
pub async fn cancel(
    connection: &mut AsyncPgConnection,
    target: CancelTarget,
) -> QueryResult<Option<Cancelled>> {
    let (id, public_id) = match target {
        CancelTarget::Id(id) => (Some(id), None),
        CancelTarget::Public(public_id) => (None, Some(public_id)),
    };
    let found: Option<Target> = diesel::sql_query(CANCEL)
        .bind::<Nullable<BigInt>, _>(id)
        .bind::<Nullable<SqlUuid>, _>(public_id)
        .get_result(connection)
        .await
        .optional()?;
    Ok(found.map(|target| match target.state {
        0 => Cancelled::Queued(target.id),
        _ => Cancelled::Running(target.id),
    }))
}
