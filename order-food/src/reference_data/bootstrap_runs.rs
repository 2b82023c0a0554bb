//! The latest runs of database-migration and database-load, for the metrics.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Double, Integer, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

/// The latest runs of a start-up task that one trigger started.
#[derive(Clone, Debug, QueryableByName)]
pub(crate) struct BootstrapRun {
    /// `database-migration` or `database-load`.
    #[diesel(sql_type = Text)]
    pub(crate) task: String,
    /// `init`, `cronjob`, `job` or `manual`.
    #[diesel(sql_type = Text)]
    pub(crate) trigger: String,
    /// Whether the last finished run ended with exit code 0.
    #[diesel(sql_type = Nullable<Bool>)]
    pub(crate) succeeded: Option<bool>,
    /// Duration of that run, in seconds.
    #[diesel(sql_type = Nullable<Double>)]
    pub(crate) duration_s: Option<f64>,
    /// End of that run, or its last heartbeat.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) ended_at: Option<DateTime<Utc>>,
    /// Start of a run that goes on.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) running_since: Option<DateTime<Utc>>,
    /// End of the last successful run.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) succeeded_at: Option<DateTime<Utc>>,
    /// Failed runs since then.
    #[diesel(sql_type = Integer)]
    pub(crate) consecutive_failures: i32,
    /// Runs of any command, without an end and without a heartbeat, since the last successful run
    /// of any trigger.
    #[diesel(sql_type = Integer)]
    pub(crate) lost: i32,
}

/// Runs that bring schema or data up to date. A run without a heartbeat for 60 s failed as well: it
/// is lost. A `kept` run (unreachable source) is no failure, but no fresh look at the sources
/// either.
const LATEST_RUNS: &str = "
    WITH runs AS (
        SELECT task, trigger, started_at, finished_at, outcome, coalesce(exit_code, 1::smallint) AS exit_code,
               coalesce(finished_at, heartbeat_at) AS ended_at,
               command IN ('run', 'up') AS refreshes,
               finished_at IS NOT NULL OR heartbeat_at < now() - interval '60 s' AS is_over
        FROM bootstrap_runs
        WHERE task = ANY ($1)
    ), latest AS (
        SELECT DISTINCT ON (task, trigger) task, trigger, exit_code = 0 AS succeeded, ended_at,
               extract(epoch FROM ended_at - started_at)::float8 AS duration_s
        FROM runs WHERE refreshes AND is_over
        ORDER BY task, trigger, started_at DESC
    ), judged AS (
        SELECT *,
               max(started_at) FILTER (WHERE refreshes AND exit_code = 0) OVER (PARTITION BY task) AS good_at,
               max(started_at) FILTER (WHERE refreshes AND exit_code = 0)
                   OVER (PARTITION BY task, trigger) AS good_of_trigger_at
        FROM runs
    )
    SELECT task, trigger, latest.succeeded, latest.duration_s, latest.ended_at,
           min(started_at) FILTER (WHERE refreshes AND NOT is_over) AS running_since,
           max(finished_at) FILTER (WHERE refreshes AND exit_code = 0 AND outcome <> 'kept') AS succeeded_at,
           count(*) FILTER (
               WHERE refreshes AND is_over AND exit_code <> 0
                 AND started_at > coalesce(good_of_trigger_at, '-infinity')
           )::int4 AS consecutive_failures,
           count(*) FILTER (
               WHERE is_over AND finished_at IS NULL AND started_at > coalesce(good_at, '-infinity')
           )::int4 AS lost
    FROM judged LEFT JOIN latest USING (task, trigger)
    GROUP BY task, trigger, latest.succeeded, latest.duration_s, latest.ended_at
    ORDER BY task, trigger";

/// The latest runs of each task and trigger: the last finished one, and the failures since the last
/// success.
pub(super) async fn read_runs(connection: &mut AsyncPgConnection) -> QueryResult<Vec<BootstrapRun>> {
    diesel::sql_query(LATEST_RUNS)
        .bind::<Array<Text>, _>(["database-migration", "database-load"].as_slice())
        .load(connection)
        .await
}
