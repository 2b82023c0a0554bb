//! The latest runs of database-migration and database-load, for the metrics.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Double, Integer, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

/// The latest runs of a start-up task.
#[derive(Clone, Debug, QueryableByName)]
pub(crate) struct BootstrapRun {
    /// `database-migration` or `database-load`.
    #[diesel(sql_type = Text)]
    pub(crate) task: String,
    /// Whether the last finished run ended with exit code 0.
    #[diesel(sql_type = Bool)]
    pub(crate) succeeded: bool,
    /// Duration of that run, in seconds.
    #[diesel(sql_type = Double)]
    pub(crate) duration_s: f64,
    /// End of that run, or its last heartbeat.
    #[diesel(sql_type = Timestamptz)]
    pub(crate) ended_at: DateTime<Utc>,
    /// Start of a run that goes on.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) running_since: Option<DateTime<Utc>>,
    /// End of the last successful run.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) succeeded_at: Option<DateTime<Utc>>,
    /// Failed runs since then.
    #[diesel(sql_type = Integer)]
    pub(crate) consecutive_failures: i32,
    /// Runs since then, of any command, without an end and without a heartbeat.
    #[diesel(sql_type = Integer)]
    pub(crate) lost: i32,
}

/// Runs that bring schema or data up to date. A run without a heartbeat for 60 s failed as well: it
/// is lost. A `kept` run (unreachable source) is no failure, but no fresh look at the sources
/// either.
const LATEST_RUNS: &str = "
    WITH ended AS (
        SELECT task, started_at, finished_at, outcome, coalesce(exit_code, 1::smallint) AS exit_code,
               coalesce(finished_at, heartbeat_at) AS ended_at,
               extract(epoch FROM coalesce(finished_at, heartbeat_at) - started_at)::float8 AS duration_s
        FROM bootstrap_runs
        WHERE command IN ('run', 'up') AND (finished_at IS NOT NULL OR heartbeat_at < now() - interval '60 s')
    ), good AS (
        SELECT task, max(started_at) AS started_at,
               max(finished_at) FILTER (WHERE outcome <> 'kept') AS succeeded_at
        FROM ended WHERE exit_code = 0 GROUP BY task
    )
    SELECT DISTINCT ON (ended.task) ended.task, exit_code = 0 AS succeeded, duration_s, ended_at, succeeded_at,
           (SELECT min(started_at) FROM bootstrap_runs AS running
            WHERE running.task = ended.task AND command IN ('run', 'up')
              AND finished_at IS NULL AND heartbeat_at >= now() - interval '60 s') AS running_since,
           (SELECT count(*) FROM ended AS bad
            WHERE bad.task = ended.task AND exit_code <> 0
              AND bad.started_at > coalesce(good.started_at, '-infinity'))::int4 AS consecutive_failures,
           (SELECT count(*) FROM bootstrap_runs AS silent
            WHERE silent.task = ended.task
              AND finished_at IS NULL AND heartbeat_at < now() - interval '60 s'
              AND silent.started_at > coalesce(good.started_at, '-infinity'))::int4 AS lost
    FROM ended LEFT JOIN good USING (task)
    WHERE ended.task = ANY ($1)
    ORDER BY ended.task, ended.started_at DESC";

/// The latest runs of each task that ran: the last finished one, and the failures since the last
/// success.
pub(super) async fn read_runs(connection: &mut AsyncPgConnection) -> QueryResult<Vec<BootstrapRun>> {
    diesel::sql_query(LATEST_RUNS)
        .bind::<Array<Text>, _>(["database-migration", "database-load"].as_slice())
        .load(connection)
        .await
}
