//! Removes what lost runs staged.

use one_shot::run_record;
use process::failure::Failure;
use tokio_postgres::Client;
use tracing::{info, warn};
use uuid::Uuid;

use super::{TASK, failure, lock};
use crate::datasets::DatasetKind;

const STAGED: &str = "SELECT version FROM dataset_versions WHERE state = 'staged' AND datasets && $1";

const DATASETS: &str = "SELECT datasets FROM dataset_versions WHERE version = $1 AND state = 'staged'";

const RUNS: &str = "SELECT run_id FROM dataset_versions WHERE version = ANY ($1) AND state = 'staged'";

/// A publication that was in progress while the runs were given up has committed by now.
const LEFT: &str = "SELECT version FROM dataset_versions WHERE version = ANY ($1) AND state = 'staged'";

/// In pieces, so that no statement holds a snapshot for long.
pub(crate) const FORGET_CODES: &str = "
    DELETE FROM coupon_codes
    WHERE version = ANY ($1)
      AND ctid = ANY (ARRAY(SELECT ctid FROM coupon_codes WHERE version = ANY ($1) LIMIT 50000))";

const FORGET_VERSIONS: &str = "DELETE FROM dataset_versions WHERE version = ANY ($1) AND state = 'staged'";

/// Removes versions of lost runs whose datasets no session works on. What fails is left to the next
/// run.
pub(super) async fn sweep(client: &Client, versions: &[i64]) {
    for version in versions {
        if let Err(failure) = sweep_one(client, *version).await {
            warn!(
                version,
                error = failure.line(),
                "what a lost run had staged could not be removed"
            );
        }
    }
}

async fn sweep_one(client: &Client, version: i64) -> Result<(), Failure> {
    let found = client.query_opt(DATASETS, &[&version]).await;
    let Some(row) = found.map_err(failure::database("look for orphaned staging"))? else {
        return Ok(());
    };
    let names: Vec<String> = row.get(0);
    let (mut locked, mut all) = (Vec::new(), true);
    for dataset in names.iter().filter_map(|name| DatasetKind::named(name)) {
        all = all && lock::attempt(client, dataset).await?;
        if all {
            locked.push(dataset);
        }
    }
    let removed = match all {
        true => remove(client, &[version]).await,
        false => Ok(()),
    };
    for dataset in locked {
        lock::release(client, dataset).await?;
    }
    removed
}

/// Removes what was staged of these datasets. The holder of their locks knows that no session works
/// on it.
pub(crate) async fn remove_of(client: &Client, datasets: &[DatasetKind]) -> Result<(), Failure> {
    let names: Vec<&str> = datasets.iter().map(|dataset| dataset.name()).collect();
    let rows = client.query(STAGED, &[&names]).await;
    let rows = rows.map_err(failure::database("look for orphaned staging"))?;
    let versions: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    if versions.is_empty() {
        return Ok(());
    }
    remove(client, &versions).await
}

/// Removes these versions as far as they are staged, and gives up the runs that staged them.
pub(super) async fn remove(client: &Client, versions: &[i64]) -> Result<(), Failure> {
    let doing = || failure::database("remove orphaned staging");
    let runs = client.query(RUNS, &[&versions]).await.map_err(doing())?;
    let runs: Vec<Uuid> = runs.iter().map(|row| row.get(0)).collect();
    // First of all: a publication whose run is not running any more rolls back.
    let message = "the run was lost; a later one removed what it had staged";
    let failed = run_record::fail_lost(client, TASK, Some(&runs), message);
    failed.await.map_err(doing())?;
    let rows = client.query(LEFT, &[&versions]).await.map_err(doing())?;
    let versions: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    if versions.is_empty() {
        return Ok(());
    }
    let forgotten = delete_in_pieces(client, FORGET_CODES, &versions).await;
    forgotten.map_err(doing())?;
    client
        .execute(FORGET_VERSIONS, &[&versions])
        .await
        .map_err(doing())?;
    info!(?versions, "removed what a run had staged and not published");
    Ok(())
}

/// Runs a statement that deletes a piece of what these versions have until nothing is left; returns
/// how many rows that were.
pub(crate) async fn delete_in_pieces(
    client: &Client,
    forget: &str,
    versions: &[i64],
) -> Result<u64, tokio_postgres::Error> {
    let mut deleted = 0;
    loop {
        match client.execute(forget, &[&versions]).await? {
            0 => return Ok(deleted),
            piece => deleted += piece,
        }
    }
}
