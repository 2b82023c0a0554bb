//! The rows of `bootstrap_runs`.

use std::time::Duration;

use database::Database;
use process::failure::Failure;
use tokio_postgres::Client;
use tracing::{debug, warn};
use uuid::Uuid;

use super::decision::Decision;
use super::{Job, Outcome, failure, leftovers, session};

/// How long a failed run tries to record that.
const LAST_WORDS: Duration = Duration::from_secs(5);

const INSERT: &str = "
    INSERT INTO bootstrap_runs (id, task, command, profile, build, host, outcome, version, finished_at, exit_code, message)
    VALUES ($1::text::uuid, 'database-load', $2, $3, $4, $5, $6, $7, CASE WHEN $8 THEN now() END, CASE WHEN $8 THEN 0 END,
            $9)";

const FINISH: &str = "
    UPDATE bootstrap_runs
    SET outcome = $2, version = $3, message = $4, finished_at = now(), heartbeat_at = now(), exit_code = 0
    WHERE id = $1::text::uuid";

const END: &str = "
    UPDATE bootstrap_runs
    SET outcome = $2, message = $3, finished_at = now(), heartbeat_at = now(), exit_code = 0
    WHERE id = $1::text::uuid";

/// Runs that failed before they were recorded get their row now; those that are recorded and not running stay.
const FAIL: &str = "
    INSERT INTO bootstrap_runs (id, task, command, profile, build, host, outcome, exit_code, message, finished_at)
    SELECT id::uuid, 'database-load', $8, nullif(profile, ''), $3, $4, $5, $6, $7, now()
    FROM unnest($1::text[], $2::text[]) AS runs (id, profile)
    ON CONFLICT (id) DO UPDATE
    SET outcome = excluded.outcome, exit_code = excluded.exit_code, message = excluded.message, finished_at = now(),
        heartbeat_at = now()
    WHERE bootstrap_runs.outcome = 'running'";

const PUBLISHED: &str = "SELECT id::text, version FROM bootstrap_runs WHERE id = ANY ($1::text[]::uuid[]) AND outcome = 'changed'";

const STAGED: &str =
    "SELECT version FROM dataset_versions WHERE run_id = ANY ($1::text[]::uuid[]) AND state = 'staged'";

/// What a run is recorded as.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) run_id: Uuid,
    /// The subcommand.
    pub(crate) command: &'static str,
    pub(crate) profile: Option<&'a str>,
    pub(crate) build: &'a str,
}

/// A run that has begun.
pub(crate) async fn insert_running(client: &Client, record: &Record<'_>) -> Result<(), Failure> {
    insert(client, record, "running", None, None).await
}

/// A run that had nothing to do: its only row.
pub(super) async fn insert_finished(
    client: &Client,
    job: &Job,
    decision: &Decision,
    build: &str,
) -> Result<(), Failure> {
    let record = Record {
        run_id: job.run_id,
        command: "run",
        profile: Some(&job.profile.name),
        build,
    };
    let (outcome, message) = (decision.outcome().name(), remark(job));
    insert(client, &record, outcome, decision.active(), message.as_deref()).await
}

async fn insert(
    client: &Client,
    record: &Record<'_>,
    outcome: &str,
    version: Option<i64>,
    message: Option<&str>,
) -> Result<(), Failure> {
    let Record {
        command,
        profile,
        build,
        ..
    } = record;
    let finished = outcome != "running";
    let (id, host) = (record.run_id.to_string(), process::host_name());
    let inserted = client
        .execute(
            INSERT,
            &[
                &id, command, profile, build, &host, &outcome, &version, &finished, &message,
            ],
        )
        .await;
    inserted.map(drop).map_err(failure::database("record the run"))
}

/// A run that had begun and found nothing to do.
pub(super) async fn finish(client: &Client, job: &Job, decision: &Decision) -> Result<(), Failure> {
    let values = (
        job.run_id.to_string(),
        decision.outcome().name(),
        decision.active(),
        remark(job),
    );
    let updated = client
        .execute(FINISH, &[&values.0, &values.1, &values.2, &values.3])
        .await;
    updated.map(drop).map_err(failure::database("record the run"))
}

/// What is worth knowing of a run that had nothing to do: why its sources were not looked at.
fn remark(job: &Job) -> Option<String> {
    job.unreachable.as_ref().map(text)
}

/// A run of another command that did its work.
pub(crate) async fn end(
    client: &Client,
    run_id: Uuid,
    outcome: Outcome,
    message: &str,
) -> Result<(), Failure> {
    let (id, outcome) = (run_id.to_string(), outcome.name());
    let updated = client.execute(END, &[&id, &outcome, &message]).await;
    updated.map(drop).map_err(failure::database("record the run"))
}

/// What a failed run is recorded with.
pub(crate) struct End<'a> {
    /// The subcommand.
    pub(crate) command: &'static str,
    /// Their ids and profiles; the profile is empty for what concerns all of them.
    pub(crate) runs: &'a [(Uuid, String)],
    pub(crate) outcome: Outcome,
    pub(crate) failure: &'a Failure,
    pub(crate) build: &'a str,
}

/// Records that nothing was published and removes what was staged, as far as the database can be reached; what is left
/// the next run removes. Returns the versions that were published nevertheless: the answer to a commit can get lost.
///
/// `client` is the run's connection, if it ever had one: when it no longer works, or for want of it, another one is tried.
pub(crate) async fn failed(database: &Database, client: Option<&Client>, end: &End<'_>) -> Vec<(Uuid, i64)> {
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
    let message = text(end.failure);
    let (outcome, exit_code) = (end.outcome.name(), i16::from(end.failure.code as u8));
    let (build, host) = (end.build, process::host_name());
    // Waits for a commit under way, which has locked these rows.
    client
        .execute(
            FAIL,
            &[
                &ids,
                &profiles,
                &build,
                &host,
                &outcome,
                &exit_code,
                &message,
                &end.command,
            ],
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

/// As much of a failure as the record keeps.
fn text(failure: &Failure) -> String {
    let line = failure.line();
    line.chars().filter(|char| *char != '\0').take(2000).collect()
}
