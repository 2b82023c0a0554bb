//! The rows of `bootstrap_runs` that the loader writes.

use std::time::Duration;

use database::Database;
use one_shot::run_record::{self, RunEnd, RunRecord, Version};
use process::failure::{ExitCode, Failure};
use tokio_postgres::Client;
use tracing::{debug, warn};
use uuid::Uuid;

use super::{Outcome, failure, orphaned_staging, session};

/// Limit of recording a failure.
const LIMIT: Duration = Duration::from_secs(5);

const PUBLISHED: &str = "SELECT id, version FROM bootstrap_runs WHERE id = ANY ($1) AND outcome = 'changed'";

const STAGED: &str = "SELECT version FROM dataset_versions WHERE run_id = ANY ($1) AND state = 'staged'";

/// Records that a run has begun.
pub(crate) async fn begin(client: &Client, record: &RunRecord<'_>) -> Result<(), Failure> {
    let begun = record.begin(client, Version::Unknown).await;
    begun.map_err(failure::database("record the run"))
}

/// Records a good end, with the version that is active now.
pub(crate) async fn end(
    client: &Client,
    record: &RunRecord<'_>,
    outcome: Outcome,
    active: Option<i64>,
    message: Option<String>,
) -> Result<(), Failure> {
    let end = RunEnd {
        outcome: outcome.name(),
        exit_code: ExitCode::Done,
        message: message.map(Into::into),
        version: active.map_or(Version::Unknown, Version::Number),
    };
    let ended = record.end(client, &end).await;
    ended.map_err(failure::database("record the run"))
}

/// Records failed runs and removes what they staged, as far as the database can be reached; the
/// next run removes the rest. Returns the versions that were published nevertheless: the answer to
/// a commit can get lost.
///
/// `client` is the connection of the run, if it had one; another one is tried when it fails.
pub(crate) async fn failed(
    database: &Database,
    client: Option<&Client>,
    runs: &[RunRecord<'_>],
    cause: &Failure,
) -> Vec<(Uuid, i64)> {
    let written = run_record::write_or_reconnect(
        client,
        LIMIT,
        async || session::open(database).await,
        async |client: &Client| write(client, runs, cause).await,
    );
    match written.await {
        Ok(published) => published,
        Err(error) => {
            if client.is_some() {
                warn!(
                    error,
                    "the end of the run could not be recorded, or what it had staged not be removed"
                );
            } else {
                debug!(error, "the end of the run could not be recorded");
            }
            Vec::new()
        }
    }
}

async fn write(
    client: &Client,
    runs: &[RunRecord<'_>],
    cause: &Failure,
) -> Result<Vec<(Uuid, i64)>, Failure> {
    let doing = || failure::database("record the end of the run");
    let end = RunEnd::failed(cause.code, cause.line());
    for run in runs {
        run.end(client, &end).await.map_err(doing())?;
    }
    let ids: Vec<Uuid> = runs.iter().map(|run| run.run_id).collect();
    let published = client.query(PUBLISHED, &[&ids]).await.map_err(doing())?;
    let staged = client.query(STAGED, &[&ids]).await.map_err(doing())?;
    let staged: Vec<i64> = staged.iter().map(|row| row.get(0)).collect();
    orphaned_staging::remove(client, &staged).await?;
    Ok(published.iter().map(|row| (row.get(0), row.get(1))).collect())
}
