//! One load at a time per dataset.

use std::time::{Duration, Instant};

use database::locks;
use one_shot::advisory_lock::{self, AcquireError, Key};
use process::failure::{ExitCode, Failure};
use tokio_postgres::Client;
use tracing::info;

use super::failure;
use super::progress::Progress;
use crate::datasets::DatasetKind;

fn key(dataset: DatasetKind) -> Key<'static> {
    Key::Name(locks::LOAD, dataset.name())
}

/// Takes the locks of all datasets, which must be sorted, for as long as the connection lives.
///
/// # Errors
/// `LockTimeout`, naming the holder, when another load goes on for longer than `timeout`.
pub(crate) async fn acquire(
    client: &Client,
    datasets: &[DatasetKind],
    timeout: Duration,
    progress: &Progress,
) -> Result<(), Failure> {
    let started = Instant::now();
    let mut is_reported = false;
    for dataset in datasets {
        let report = |holder: &str| {
            if !std::mem::replace(&mut is_reported, true) {
                progress.phase("waiting for other loads");
                info!(dataset = dataset.name(), holder, "waiting for another load");
            }
        };
        let left = timeout.saturating_sub(started.elapsed());
        match advisory_lock::acquire(client, key(*dataset), left, report).await {
            Ok(()) => (),
            Err(AcquireError::Held { holder, .. }) => {
                let message = format!("{dataset} are being loaded by {holder}");
                return Err(Failure::new(ExitCode::LockTimeout, message));
            }
            Err(AcquireError::Database(error)) => return Err(failure::database("lock the datasets")(error)),
        }
    }
    Ok(())
}

/// Takes the lock of a dataset if no other session holds it.
pub(super) async fn attempt(client: &Client, dataset: DatasetKind) -> Result<bool, Failure> {
    let acquired = advisory_lock::try_acquire(client, key(dataset)).await;
    acquired.map_err(failure::database("lock the datasets"))
}

/// Gives back what [`attempt`] took.
pub(crate) async fn release(client: &Client, dataset: DatasetKind) -> Result<(), Failure> {
    let released = advisory_lock::release(client, key(dataset)).await;
    released
        .map(drop)
        .map_err(failure::database("unlock the datasets"))
}
