//! The rows of `bootstrap_runs`.

use std::time::Duration;

use database::Database;
use process::exit::Failure;
use tokio_postgres::Client;
use tracing::{debug, warn};
use uuid::Uuid;

use super::decision::Decision;
use super::{Job, Outcome, failure, leftovers, session};

/// How long a failed run tries to record that.
const LAST_WORDS: Duration = Duration::from_secs(5);

const INSERT: &str = "
    INSERT INTO bootstrap_runs (id, task, profile, build, host, outcome, version, finished_at, exit_code)
    VALUES ($1::text::uuid, 'database-load', $2, $3, $4, $5, $6, CASE WHEN $7 THEN now() END, CASE WHEN $7 THEN 0 END)";

const FINISH: &str = "
    UPDATE bootstrap_runs
    SET outcome = $2, version = $3, finished_at = now(), heartbeat_at = now(), exit_code = 0
    WHERE id = $1::text::uuid";

/// Runs that failed before they were recorded get their row now; those that are recorded and not running stay.
const FAIL: &str = "
    INSERT INTO bootstrap_runs (id, task, profile, build, host, outcome, exit_code, message, finished_at)
    SELECT id::uuid, 'database-load', profile, $3, $4, $5, $6, $7, now()
    FROM unnest($1::text[], $2::text[]) AS runs (id, profile)
    ON CONFLICT (id) DO UPDATE
    SET outcome = excluded.outcome, exit_code = excluded.exit_code, message = excluded.message, finished_at = now(),
        heartbeat_at = now()
    WHERE bootstrap_runs.outcome = 'running'";

const PUBLISHED: &str = "SELECT id::text, version FROM bootstrap_runs WHERE id = ANY ($1::text[]::uuid[]) AND outcome = 'changed'";

const STAGED: &str =
    "SELECT version FROM dataset_versions WHERE run_id = ANY ($1::text[]::uuid[]) AND state = 'staged'";

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
    let (id, name, host) = (job.run_id.to_string(), &job.profile.name, process::host_name());
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

/// What a failed run is recorded with.
pub(super) struct End<'a> {
    pub(super) runs: &'a [(Uuid, String)],
    pub(super) outcome: Outcome,
    pub(super) failure: &'a Failure,
    pub(super) build: &'a str,
}

/// Records that nothing was published and removes what was staged, as far as the database can be reached; what is left
/// the next run removes. Returns the versions that were published nevertheless: the answer to a commit can get lost.
///
/// `client` is the run's connection, if it ever had one: when it no longer works, or for want of it, another one is tried.
pub(super) async fn failed(database: &Database, client: Option<&Client>, end: &End<'_>) -> Vec<(Uuid, i64)> {
    let mut published = Vec::new();
    let record = async {
        let open = client.filter(|client| !client.is_closed());
        if let Some(client) = open
            && record(client, end, &mut published).await.is_ok()
        {
            return Ok(());
        }
        let client = session::open(database).await?;
        record(&client, end, &mut published).await
    };
    let problem = match tokio::time::timeout(LAST_WORDS, record).await {
        Ok(Ok(())) => return published,
        Ok(Err(failure)) => failure.line(),
        Err(late) => late.to_string(),
    };
    if client.is_some() {
        warn!(
            error = problem,
            "the end of the run could not be recorded, or what it had staged not be removed"
        );
    } else {
        debug!(error = problem, "the end of the run could not be recorded");
    }
    published
}

async fn record(client: &Client, end: &End<'_>, published: &mut Vec<(Uuid, i64)>) -> Result<(), Failure> {
    let doing = || failure::database("record the end of the run");
    let ids: Vec<String> = end.runs.iter().map(|(id, _)| id.to_string()).collect();
    let profiles: Vec<&str> = end.runs.iter().map(|(_, profile)| profile.as_str()).collect();
    let message: String = end
        .failure
        .line()
        .chars()
        .filter(|char| *char != '\0')
        .take(2000)
        .collect();
    let (outcome, exit_code) = (end.outcome.name(), i16::from(end.failure.code as u8));
    let (build, host) = (end.build, process::host_name());
    // Waits for a commit under way, which has locked these rows.
    client
        .execute(
            FAIL,
            &[&ids, &profiles, &build, &host, &outcome, &exit_code, &message],
        )
        .await
        .map_err(doing())?;
    let rows = client.query(PUBLISHED, &[&ids]).await.map_err(doing())?;
    let version = |row: &tokio_postgres::Row| Some((Uuid::try_parse(row.get(0)).ok()?, row.get(1)));
    *published = rows.iter().filter_map(version).collect();
    let rows = client.query(STAGED, &[&ids]).await.map_err(doing())?;
    let staged: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    leftovers::remove(client, &staged).await
}
