//! What is active, what was, and what the runs did.

use database::Database;
use process::failure::Failure;
use serde_json::json;

use crate::load;
use crate::output::{self, Answer, Column};
use crate::run_options::{self, RunOptions};

/// The versions of each profile that are still of interest: `{}` says which.
///
/// A profile is rolled back while a version newer than the active one was active before: automatic
/// runs leave it alone.
const VERSIONS: &str = "
    SELECT profile, version, source_version, state, datasets,
           (SELECT jsonb_object_agg(name, count) FROM jsonb_each(row_counts) AS rows (name, count)
            WHERE jsonb_typeof(count) = 'number') AS rows,
           to_char(staged_at, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS staged_at,
           to_char(activated_at, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS activated_at,
           to_char(retired_at, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS retired_at,
           to_char(pruned_at, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS pruned_at,
           CASE WHEN pruned_at IS NOT NULL THEN 'pruned' ELSE state END AS now,
           CASE WHEN state = 'active' THEN (
               SELECT max(newer.version) FROM dataset_versions AS newer
               WHERE newer.profile = dataset_versions.profile AND newer.version > dataset_versions.version
                 AND newer.state = 'retired'
           ) END AS rolled_back_from,
           run_id
    FROM dataset_versions";

/// A run that has shown no life for a minute is lost.
const RUNS: &str = "
    SELECT id, command, profile, trigger,
           CASE WHEN outcome = 'running' AND heartbeat_at < now() - interval '60 s' THEN 'lost' ELSE outcome END AS outcome,
           exit_code, version, rows_added, rows_changed, rows_retired,
           '+' || rows_added || ' ~' || rows_changed || ' -' || rows_retired AS rows,
           to_char(started_at, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS started_at,
           to_char(heartbeat_at, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS heartbeat_at,
           to_char(finished_at, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS finished_at,
           message, build, host
    FROM bootstrap_runs
    WHERE task = 'database-load' AND (cardinality($1::text[]) = 0 OR profile = ANY ($1))
    ORDER BY bootstrap_runs.started_at DESC, id DESC LIMIT $2";

const RUN_COLUMNS: &[Column] = &[
    ("started", "started_at"),
    ("command", "command"),
    ("profile", "profile"),
    ("trigger", "trigger"),
    ("outcome", "outcome"),
    ("exit", "exit_code"),
    ("version", "version"),
    ("rows", "rows"),
    ("run", "id"),
];

/// The active versions and the last ten runs.
///
/// # Errors
/// Those of the database and the schema, as for a run.
pub async fn status(database: &Database, run_options: &RunOptions) -> Result<Answer, Failure> {
    let look = async {
        let client = load::connect(database, run_options.wait_timeout).await?;
        let active = format!("{VERSIONS} WHERE state = 'active' ORDER BY profile");
        let versions = output::rows(&client, &active, &[]).await?;
        let runs = output::rows(&client, RUNS, &[&Vec::<String>::new(), &10_i64]).await?;
        let columns = &[
            ("profile", "profile"),
            ("version", "version"),
            ("stated", "source_version"),
            ("since", "activated_at"),
            ("rows", "rows"),
            ("rolled back from", "rolled_back_from"),
        ];
        let text = output::table("Active versions", columns, &versions)
            + &output::table("Last runs", RUN_COLUMNS, &runs);
        let json = json!({ "versions": versions, "runs": runs });
        Ok(Answer { text, json })
    };
    run_options::or_stop(&run_options.deadline(), look).await
}

/// All versions that were ever staged and are not forgotten, and all runs, newest first; `limit` of
/// each.
///
/// Without profiles those of all.
///
/// # Errors
/// Those of the database and the schema, as for a run.
pub async fn history(
    database: &Database,
    run_options: &RunOptions,
    profiles: &[String],
    limit: u32,
) -> Result<Answer, Failure> {
    let look = async {
        let client = load::connect(database, run_options.wait_timeout).await?;
        let (limit, profiles) = (i64::from(limit), profiles.to_vec());
        let all = format!(
            "{VERSIONS} WHERE cardinality($1::text[]) = 0 OR profile = ANY ($1) ORDER BY version DESC LIMIT $2"
        );
        let versions = output::rows(&client, &all, &[&profiles, &limit]).await?;
        let runs = output::rows(&client, RUNS, &[&profiles, &limit]).await?;
        let columns = &[
            ("version", "version"),
            ("profile", "profile"),
            ("state", "now"),
            ("stated", "source_version"),
            ("since", "activated_at"),
            ("until", "retired_at"),
            ("rows", "rows"),
            ("run", "run_id"),
        ];
        let text = output::table("Versions, newest first", columns, &versions)
            + &output::table("Runs, newest first", RUN_COLUMNS, &runs);
        let json = json!({ "versions": versions, "runs": runs });
        Ok(Answer { text, json })
    };
    run_options::or_stop(&run_options.deadline(), look).await
}
