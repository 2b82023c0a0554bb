//! The ends of attempts: complete, fail, release. Each names the worker and the attempt; a row that
//! is not there any more was taken over, and stays as it is.
//!
//! Rows are found by `id = ANY (…)` alone. A condition on `state`, or `locked_by =`, would let the
//! planner choose the index of running jobs, which holds the entries of all jobs that this worker
//! has completed since the last VACUUM: measured, 1 s for a batch instead of 2 ms. `IS NOT DISTINCT
//! FROM` a worker says the same as both, since only running jobs have one.

use serde_json::Value;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Statement};
use uuid::Uuid;

/// Jobs that are done and have no public id. `IS TRUE` keeps the look-up of the attempts a hash
/// table; as a join, it would compare each row with each parameter.
pub(crate) const COMPLETE: &str = "
    DELETE FROM job
    WHERE id = ANY ($1) AND locked_by IS NOT DISTINCT FROM $3
        AND ((id, attempt) IN (SELECT * FROM unnest($1::bigint[], $2::smallint[]))) IS TRUE
    RETURNING id";

/// A job that is done and has a public id: its result is kept.
const COMPLETE_KEEPING: &str = "
    WITH done AS (
        DELETE FROM job WHERE id = $1 AND attempt = $2 AND locked_by IS NOT DISTINCT FROM $3 RETURNING *
    )
    INSERT INTO job_result (public_id, job_id, kind, api_key_id, created_at, attempt, outcome, progress, result)
    SELECT public_id, id, kind, api_key_id, created_at, attempt, 'done', coalesce($4, progress), $5 FROM done
    ON CONFLICT (public_id) DO UPDATE
    SET job_id = EXCLUDED.job_id, finished_at = EXCLUDED.finished_at, attempt = EXCLUDED.attempt,
        progress = EXCLUDED.progress, result = EXCLUDED.result
    RETURNING job_id";

/// Failed attempts: queued again after a delay, or dead for a reason. One that was to be cancelled
/// is dead.
const FAIL: &str = "
    WITH failed AS (
        SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::text[], $5::text[])
            AS failed (id, attempt, delay_ms, reason, error)
    ),
    again AS (
        UPDATE job SET state = 0, locked_by = NULL, run_at = now() + failed.delay_ms * interval '1 millisecond',
            last_error = failed.error,
            attempts = coalesce(attempts, '[]') || jsonb_build_object(
                'at', now(), 'ms', (1000 * extract(epoch FROM now() - locked_at))::bigint, 'attempt', job.attempt,
                'worker', $6::uuid, 'error', failed.error)
        FROM failed
        WHERE job.id = ANY ($1) AND job.id = failed.id AND job.attempt = failed.attempt
            AND job.locked_by IS NOT DISTINCT FROM $6::uuid
            AND failed.reason IS NULL AND job.cancel_requested_at IS NULL
        RETURNING job.id
    ),
    gone AS (
        DELETE FROM job USING failed
        WHERE job.id = ANY ($1) AND job.id = failed.id AND job.attempt = failed.attempt
            AND job.locked_by IS NOT DISTINCT FROM $6::uuid
            AND (failed.reason IS NOT NULL OR job.cancel_requested_at IS NOT NULL)
        RETURNING job.*, coalesce(failed.reason, 'cancelled') AS reason, failed.error
    ),
    dead AS (
        INSERT INTO job_dead (id, kind, priority, created_at, reason, attempt, max_attempts, rescues, timeout_ms, unique_key,
            payload, trace_ctx, last_error, attempts, progress, api_key_id, public_id, min_build)
        SELECT id, kind, priority, created_at, reason, attempt, max_attempts, rescues, timeout_ms, unique_key,
            payload, trace_ctx, error,
            coalesce(attempts, '[]') || jsonb_build_object(
                'at', now(), 'ms', (1000 * extract(epoch FROM now() - locked_at))::bigint, 'attempt', attempt,
                'worker', $6::uuid, 'error', error),
            progress, api_key_id, public_id, min_build
        FROM gone
    )
    SELECT id FROM again UNION ALL SELECT id FROM gone";

/// Attempts that do not count: snoozed, or given back at the end of a drain.
const RELEASE: &str = "
    UPDATE job SET state = 0, locked_by = NULL, attempt = job.attempt - 1,
        run_at = now() + released.delay_ms * interval '1 millisecond'
    FROM unnest($1::bigint[], $2::smallint[], $3::bigint[]) AS released (id, attempt, delay_ms)
    WHERE job.id = ANY ($1) AND job.id = released.id AND job.attempt = released.attempt
        AND job.locked_by IS NOT DISTINCT FROM $4
    RETURNING job.id";

/// Attempts of one worker that failed, as columns.
#[derive(Debug, Default)]
pub(crate) struct FailedAttempts<'a> {
    pub(crate) id: Vec<i64>,
    pub(crate) attempt: Vec<i16>,
    pub(crate) delay_ms: Vec<i64>,
    /// `None`: queued again.
    pub(crate) reason: Vec<Option<&'a str>>,
    pub(crate) error: Vec<&'a str>,
}

/// Statements of the ends, prepared on one connection. Each function returns the jobs that were
/// still this worker's.
pub(crate) struct Finisher {
    client: Client,
    worker: Uuid,
    complete: Statement,
    keep: Statement,
    fail: Statement,
    release: Statement,
}

impl Finisher {
    /// Prepares the statements.
    ///
    /// # Errors
    /// Whatever the database says.
    pub(crate) async fn prepare(client: Client, worker: Uuid) -> Result<Finisher, Error> {
        Ok(Finisher {
            worker,
            complete: client.prepare(COMPLETE).await?,
            keep: client.prepare(COMPLETE_KEEPING).await?,
            fail: client.prepare(FAIL).await?,
            release: client.prepare(RELEASE).await?,
            client,
        })
    }

    /// Deletes jobs that are done.
    pub(crate) async fn complete(&self, ids: &[i64], attempts: &[i16]) -> Result<Vec<i64>, Error> {
        self.run(&self.complete, &[&ids, &attempts, &self.worker]).await
    }

    /// Moves a job that is done to its result.
    pub(crate) async fn keep(
        &self,
        id: i64,
        attempt: i16,
        progress: Option<&Value>,
        result: &Value,
    ) -> Result<Vec<i64>, Error> {
        self.run(&self.keep, &[&id, &attempt, &self.worker, &progress, &result])
            .await
    }

    /// Queues jobs again, or moves them to the dead letters.
    pub(crate) async fn fail(&self, failed: &FailedAttempts<'_>) -> Result<Vec<i64>, Error> {
        let FailedAttempts {
            id,
            attempt,
            delay_ms,
            reason,
            error,
        } = failed;
        self.run(&self.fail, &[id, attempt, delay_ms, reason, error, &self.worker])
            .await
    }

    /// Queues jobs again without counting the attempt.
    pub(crate) async fn release(
        &self,
        ids: &[i64],
        attempts: &[i16],
        delays: &[i64],
    ) -> Result<Vec<i64>, Error> {
        self.run(&self.release, &[&ids, &attempts, &delays, &self.worker])
            .await
    }

    async fn run(
        &self,
        statement: &Statement,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<i64>, Error> {
        let rows = self.client.query(statement, parameters).await?;
        rows.iter().map(|row| row.try_get(0)).collect()
    }
}
