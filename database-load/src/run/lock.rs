//! One load at a time per dataset.

use std::time::{Duration, Instant};

use database::locks;
use process::failure::{ExitCode, Failure};
use tokio_postgres::Client;
use tracing::info;

use super::failure;
use super::progress::Progress;
use crate::profile::Dataset;

const POLL: Duration = Duration::from_millis(50);

const HOLDER: &str = "
    SELECT format('process %s, application %s, since %s', pid, application_name, backend_start)
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND objsubid = 2
      AND classid = $1::integer::oid AND objid = hashtext($2)::oid
      AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// Takes the locks of all datasets, which must be sorted, for as long as the connection lives.
///
/// Asks again and again instead of blocking: a blocked statement would hold a snapshot meanwhile.
///
/// # Errors
/// `LockTimeout`, naming the holder, when another load goes on for longer than `timeout`.
pub(crate) async fn acquire(
    client: &Client,
    datasets: &[Dataset],
    timeout: Duration,
    progress: &Progress,
) -> Result<(), Failure> {
    let started = Instant::now();
    let mut said = false;
    for dataset in datasets {
        while !attempt(client, *dataset).await? {
            if started.elapsed() >= timeout {
                let message = format!(
                    "{dataset} are being loaded by {}",
                    holder(client, *dataset).await?
                );
                return Err(Failure::new(ExitCode::LockTimeout, message));
            }
            if !said {
                progress.phase("waiting for other loads");
                info!(
                    dataset = dataset.name(),
                    holder = holder(client, *dataset).await?,
                    "waiting for another load"
                );
                said = true;
            }
            tokio::time::sleep(POLL).await;
        }
    }
    Ok(())
}

/// Takes the lock of a dataset if nobody has it.
pub(super) async fn attempt(client: &Client, dataset: Dataset) -> Result<bool, Failure> {
    let query = "SELECT pg_try_advisory_lock($1, hashtext($2))";
    let row = client.query_one(query, &[&locks::LOAD, &dataset.name()]).await;
    row.and_then(|row| row.try_get(0))
        .map_err(failure::database("lock the datasets"))
}

/// Gives back what [`attempt`] took.
pub(crate) async fn release(client: &Client, dataset: Dataset) -> Result<(), Failure> {
    let query = "SELECT pg_advisory_unlock($1, hashtext($2))";
    let released = client.execute(query, &[&locks::LOAD, &dataset.name()]).await;
    released
        .map(drop)
        .map_err(failure::database("unlock the datasets"))
}

async fn holder(client: &Client, dataset: Dataset) -> Result<String, Failure> {
    let rows = client.query(HOLDER, &[&locks::LOAD, &dataset.name()]).await;
    let rows = rows.map_err(failure::database("ask who holds the lock"))?;
    let holders: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    Ok(if holders.is_empty() {
        "a process that just ended".into()
    } else {
        holders.join(", ")
    })
}
