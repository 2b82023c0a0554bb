//! How long ago the data were last compared with their sources.

use std::time::Duration;

use database::Database;
use process::failure::{ExitCode, Failure};
use serde_json::{Value, json};

use crate::load;
use crate::output::{self, Answer, Column};
use crate::run_options::{self, RunOptions};

/// Profiles whose version is active for some dataset, with the end of the last run that compared
/// their sources: a run that could not reach them (`kept`), a rollback and a pruning did not.
const CHECKS: &str = "
    WITH active_data AS (
        SELECT DISTINCT ON (dataset) profile
        FROM dataset_versions, unnest(datasets) AS dataset
        WHERE state = 'active'
        ORDER BY dataset, activated_at DESC
    ), asked AS (
        SELECT profile FROM active_data WHERE cardinality($1::text[]) = 0
        UNION
        SELECT unnest($1::text[])
    )
    SELECT asked.profile, to_char(max(finished_at), 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS checked_at,
           floor(extract(epoch FROM clock_timestamp() - max(finished_at)))::bigint AS age_s,
           coalesce(clock_timestamp() - max(finished_at) > make_interval(secs => $2), true) AS is_stale
    FROM asked
    LEFT JOIN bootstrap_runs AS runs
      ON runs.profile = asked.profile AND task = 'database-load' AND command = 'run'
     AND outcome IN ('changed', 'unchanged', 'held')
    GROUP BY asked.profile
    ORDER BY asked.profile";

const COLUMNS: &[Column] = &[
    ("profile", "profile"),
    ("last check", "checked_at"),
    ("age in s", "age_s"),
    ("stale", "is_stale"),
];

/// When each profile was last compared with its sources with success, and whether that is too long
/// ago for one of them.
///
/// Without profiles those are asked about whose data are active; a profile that was never loaded is
/// stale.
///
/// # Errors
/// Those of the database and the schema, as for a run; that data are stale is in the second part of
/// the answer.
pub async fn freshness(
    database: &Database,
    run_options: &RunOptions,
    profiles: &[String],
    max_age: Duration,
) -> Result<(Answer, Result<(), Failure>), Failure> {
    let look = async {
        let client = load::connect(database, run_options.wait_timeout).await?;
        let (profiles, seconds) = (profiles.to_vec(), max_age.as_secs_f64());
        let checks = output::rows(&client, CHECKS, &[&profiles, &seconds]).await?;
        let verdict = verdict(&checks, max_age);
        let answer = Answer {
            text: output::table("Last checks", COLUMNS, &checks),
            json: json!({ "fresh": verdict.is_ok(), "max_age_s": max_age.as_secs(), "profiles": checks }),
        };
        Ok((answer, verdict))
    };
    run_options::or_stop(&run_options.deadline(), look).await
}

fn verdict(checks: &[Value], max_age: Duration) -> Result<(), Failure> {
    let stale = |message: String| Err(Failure::new(ExitCode::Stale, message));
    if checks.is_empty() {
        return stale("no data are active".into());
    }
    let is_stale = |check: &&Value| check.get("is_stale").and_then(Value::as_bool) != Some(false);
    let late: Vec<String> = checks
        .iter()
        .filter(is_stale)
        .map(|check| {
            let name = check.get("profile").and_then(Value::as_str).unwrap_or_default();
            match check.get("age_s").and_then(Value::as_i64) {
                Some(age) => format!("profile {name} was last checked {age} s ago"),
                None => format!("profile {name} was never checked with success"),
            }
        })
        .collect();
    if late.is_empty() {
        return Ok(());
    }
    stale(format!(
        "{}; allowed are {} s",
        late.join(", "),
        max_age.as_secs()
    ))
}
