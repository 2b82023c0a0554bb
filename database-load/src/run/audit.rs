//! The rows of `bootstrap_runs`.

use std::time::Duration;

use database::Database;
use process::exit::{ExitCode, Failure};
use tokio_postgres::Client;
use tracing::{error, warn};
use uuid::Uuid;

use super::decision::Decision;
use super::{Job, failure};

/// How long a failed run tries to record that.
const LAST_WORDS: Duration = Duration::from_secs(5);

const INSERT: &str = "
    INSERT INTO bootstrap_runs (id, task, profile, build, host, outcome, version, finished_at, exit_code)
    VALUES ($1::text::uuid, 'database-load', $2, $3, $4, $5, $6, CASE WHEN $7 THEN now() END, CASE WHEN $7 THEN 0 END)";

const FINISH: &str = "
    UPDATE bootstrap_runs
    SET outcome = $2, version = $3, finished_at = now(), heartbeat_at = now(), exit_code = 0
    WHERE id = $1::text::uuid";

const FAIL: &str = "
    UPDATE bootstrap_runs
    SET outcome = $2, exit_code = $3, message = $4, finished_at = now(), heartbeat_at = now()
    WHERE id = ANY ($1::text[]::uuid[]) AND outcome = 'running'";

const FORGET_CODES: &str = "
    DELETE FROM coupon_codes
    WHERE version IN (SELECT version FROM dataset_versions WHERE run_id = ANY ($1::text[]::uuid[]) AND state = 'staged')";

const FORGET_VERSIONS: &str =
    "DELETE FROM dataset_versions WHERE run_id = ANY ($1::text[]::uuid[]) AND state = 'staged'";

const PUBLISHED: &str = "SELECT id::text, version FROM bootstrap_runs WHERE id = ANY ($1::text[]::uuid[]) AND outcome = 'changed'";

/// A run that has begun.
pub(super) async fn insert_running(client: &Client, job: &Job, build: &str) -> Result<(), Failure> {
    insert(client, job, "running", None, build).await
}

/// A run that had nothing to do: its only row.
pub(super) async fn insert_finished(
    client: &Client,
    job: &Job,
    decision: &Decision,
    build: &str,
) -> Result<(), Failure> {
    insert(client, job, decision.outcome().name(), decision.active(), build).await
}

async fn insert(
    client: &Client,
    job: &Job,
    outcome: &str,
    version: Option<i64>,
    build: &str,
) -> Result<(), Failure> {
    let finished = outcome != "running";
    let (id, name, host) = (job.run_id.to_string(), &job.profile.name, host());
    let inserted = client
        .execute(INSERT, &[&id, name, &build, &host, &outcome, &version, &finished])
        .await;
    inserted.map(drop).map_err(failure::database("record the run"))
}

/// A run that had begun and found nothing to do.
pub(super) async fn finish(client: &Client, job: &Job, decision: &Decision) -> Result<(), Failure> {
    let values = (
        job.run_id.to_string(),
        decision.outcome().name(),
        decision.active(),
    );
    let updated = client.execute(FINISH, &[&values.0, &values.1, &values.2]).await;
    updated.map(drop).map_err(failure::database("record the run"))
}

/// Records that nothing was published and removes what was staged, as far as the database can be reached; what is left
/// the next run removes. Returns the versions that were published nevertheless: the answer to a commit can get lost.
pub(super) async fn failed(
    database: &Database,
    profiles: &[(Uuid, String)],
    failure: &Failure,
) -> Vec<(Uuid, i64)> {
    let outcome = if failure.code == ExitCode::Terminated {
        "canceled"
    } else {
        "failed"
    };
    if failure.code == ExitCode::DatabaseUnreachable {
        say(profiles, outcome);
        return Vec::new();
    }
    let ids: Vec<String> = profiles.iter().map(|(id, _)| id.to_string()).collect();
    let message: String = failure
        .line()
        .chars()
        .filter(|char| *char != '\0')
        .take(2000)
        .collect();
    let exit_code = i16::from(failure.code as u8);
    let record = async {
        let client = database.connect().await?;
        // Waits for a commit under way, which has locked these rows.
        client
            .execute(FAIL, &[&ids, &outcome, &exit_code, &message])
            .await?;
        client.execute(FORGET_CODES, &[&ids]).await?;
        client.execute(FORGET_VERSIONS, &[&ids]).await?;
        anyhow::Ok(client.query(PUBLISHED, &[&ids]).await?)
    };
    let published = match tokio::time::timeout(LAST_WORDS, record).await {
        Ok(Ok(rows)) => rows,
        Ok(Err(error)) => {
            warn!(
                error = format!("{error:#}"),
                "the end of the run could not be recorded"
            );
            Vec::new()
        }
        Err(_) => {
            warn!("the end of the run could not be recorded in time");
            Vec::new()
        }
    };
    let version = |row: &tokio_postgres::Row| Some((Uuid::try_parse(row.get(0)).ok()?, row.get(1)));
    let published: Vec<(Uuid, i64)> = published.iter().filter_map(version).collect();
    if published.is_empty() {
        say(profiles, outcome);
    }
    published
}

fn say(profiles: &[(Uuid, String)], outcome: &str) {
    for (run_id, profile) in profiles {
        error!(%run_id, profile, outcome, "run {run_id} of profile {profile}: {outcome}");
    }
}

/// The machine's or pod's name.
fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .unwrap_or_default()
}
