//! Deletes the rows of old versions.

use std::sync::Arc;

use database::Database;
use process::failure::Failure;
use serde::Serialize;
use tokio_postgres::Client;
use tracing::{Span, info};
use uuid::Uuid;

use crate::datasets::DatasetKind;
use crate::load::command::{CommandRun, failure_summary, outcome_of};
use crate::load::{self, Outcome, failure, lock, orphaned_staging, record};
use crate::run_options::{self, RunOptions};

/// What pruning did.
#[derive(Clone, Debug, Serialize)]
pub struct Pruned {
    /// `bootstrap_runs.id`.
    pub run_id: Uuid,
    /// Versions whose rows were given up.
    pub versions: Vec<PrunedVersion>,
    /// Rows of `dataset_rows` that were deleted, also those that an earlier run had left.
    pub rows: u64,
    /// Rows of `coupon_codes` that were deleted.
    pub coupon_codes: u64,
}

/// A version whose rows were given up.
#[derive(Clone, Debug, Serialize)]
pub struct PrunedVersion {
    /// Its profile.
    pub profile: String,
    /// Its number; the version itself stays, so that its data are not taken for new ones.
    pub version: i64,
}

impl Pruned {
    /// Whether anything was deleted.
    pub fn outcome(&self) -> Outcome {
        if self.versions.is_empty() && self.rows + self.coupon_codes == 0 {
            Outcome::Unchanged
        } else {
            Outcome::Changed
        }
    }
}

/// Gives up all retired versions but the `$1` newest of each profile and the one that `rollback
/// --previous` would take.
const MARK_PRUNED: &str = "
    WITH aged AS (
        SELECT version, profile, row_number() OVER (PARTITION BY profile ORDER BY version DESC) AS place
        FROM dataset_versions WHERE state <> 'staged'
    ), way_back AS (
        SELECT max(kept.version) AS version
        FROM dataset_versions AS active
        JOIN dataset_versions AS kept USING (profile)
        WHERE active.state = 'active' AND kept.state = 'retired' AND kept.version < active.version
          AND kept.content_sha256 <> active.content_sha256
        GROUP BY profile
    )
    UPDATE dataset_versions SET pruned_at = now()
    FROM aged
    WHERE aged.version = dataset_versions.version AND place > $1
      AND state = 'retired' AND pruned_at IS NULL
      AND dataset_versions.version NOT IN (SELECT version FROM way_back)
      AND (cardinality($2::text[]) = 0 OR dataset_versions.profile = ANY ($2))
    RETURNING dataset_versions.profile, dataset_versions.version";

const WITH_ROWS: &str = "
    SELECT version FROM dataset_versions
    WHERE pruned_at IS NOT NULL AND EXISTS (
        SELECT FROM dataset_rows WHERE dataset_rows.version = dataset_versions.version
    )";

/// Versions of coupon codes, jumping from one to the next: given up, or of a run that was lost
/// while it removed them.
const WITH_CODES: &str = "
    WITH RECURSIVE present AS (
        SELECT min(version) AS version FROM coupon_codes
        UNION ALL
        SELECT (SELECT min(version) FROM coupon_codes WHERE version > present.version)
        FROM present WHERE version IS NOT NULL
    )
    SELECT version FROM present
    WHERE version IS NOT NULL
      AND NOT EXISTS (
          SELECT FROM dataset_versions
          WHERE dataset_versions.version = present.version AND pruned_at IS NULL
      )";

/// In pieces, so that no statement holds a snapshot for long.
const FORGET_ROWS: &str = "
    DELETE FROM dataset_rows
    WHERE version = ANY ($1)
      AND ctid = ANY (ARRAY(SELECT ctid FROM dataset_rows WHERE version = ANY ($1) LIMIT 10000))";

/// Deletes the rows and coupon codes of all versions but the `keep` newest of each profile; never
/// those of the active version, nor of the one that `rollback --previous` would take. Without
/// profiles, those of all.
///
/// What is deleted is given up first, under the loader's locks: from then on no command can bring
/// it back. A run that is stopped half-way leaves the rest to the next one.
///
/// Records run id and outcome on the current span.
///
/// # Errors
/// Those of a run.
pub async fn prune(
    database: &Database,
    run_options: &RunOptions,
    profiles: &[String],
    keep: u32,
) -> Result<Pruned, Failure> {
    let run_id = Uuid::now_v7();
    let command = CommandRun::start(database, "prune", run_options, vec![(run_id, String::new())]);
    let mut connected = None;
    let work = forget(&command, profiles, keep, run_id, &mut connected);
    let failure = match (
        run_options::or_stop(&command.deadline, work).await,
        command.deadline.reason(),
    ) {
        (Ok(pruned), _) => {
            Span::current().record("outcome", pruned.outcome().name());
            return Ok(pruned);
        }
        (Err(_), Some(reason)) => {
            reason.failure("what was given up and is not deleted yet the next `prune` deletes")
        }
        (Err(failure), None) => failure,
    };
    Span::current().record("outcome", outcome_of(&failure).name());
    command
        .record_failure(connected.as_deref(), &command.runs, &failure)
        .await;
    Err(failure_summary(failure, &command.runs))
}

async fn forget(
    command: &CommandRun<'_>,
    profiles: &[String],
    keep: u32,
    run_id: Uuid,
    connected: &mut Option<Arc<Client>>,
) -> Result<Pruned, Failure> {
    let client = Arc::new(load::connect(command.database, command.options.wait_timeout).await?);
    *connected = Some(Arc::clone(&client));
    let (_heartbeat, progress) = command.begin(&client).await?;
    lock::acquire(
        &client,
        &DatasetKind::ALL,
        command.options.lock_timeout,
        &progress,
    )
    .await?;
    let versions = give_up(&client, profiles, keep).await?;
    for dataset in DatasetKind::ALL {
        lock::release(&client, dataset).await?;
    }
    progress.phase("deleting");
    let mut pruned = Pruned {
        run_id,
        versions,
        rows: 0,
        coupon_codes: 0,
    };
    pruned.rows = delete(&client, WITH_ROWS, FORGET_ROWS).await?;
    pruned.coupon_codes = delete(&client, WITH_CODES, orphaned_staging::FORGET_CODES).await?;
    let numbers: Vec<String> = pruned
        .versions
        .iter()
        .map(|pruned| pruned.version.to_string())
        .collect();
    let message = format!(
        "versions given up: {}; deleted {} rows and {} coupon codes",
        if numbers.is_empty() {
            "none".into()
        } else {
            numbers.join(", ")
        },
        pruned.rows,
        pruned.coupon_codes
    );
    info!(%run_id, outcome = pruned.outcome().name(), "{message}");
    let record = command.record(run_id, "");
    record::end(&client, &record, pruned.outcome(), None, Some(message)).await?;
    Ok(pruned)
}

async fn give_up(client: &Client, profiles: &[String], keep: u32) -> Result<Vec<PrunedVersion>, Failure> {
    let (keep, profiles) = (i64::from(keep), profiles.to_vec());
    let rows = client.query(MARK_PRUNED, &[&keep, &profiles]).await;
    let rows = rows.map_err(failure::database("give versions up"))?;
    let mut versions: Vec<PrunedVersion> = rows
        .iter()
        .map(|row| PrunedVersion {
            profile: row.get(0),
            version: row.get(1),
        })
        .collect();
    versions.sort_by_key(|pruned| pruned.version);
    Ok(versions)
}

/// Deletes in pieces what the versions that `find` finds have; returns how many rows that were.
async fn delete(client: &Client, find: &str, forget: &str) -> Result<u64, Failure> {
    let doing = || failure::database("delete what was given up");
    let versions = client.query(find, &[]).await.map_err(doing())?;
    let versions: Vec<i64> = versions.iter().map(|row| row.get(0)).collect();
    orphaned_staging::delete_in_pieces(client, forget, &versions)
        .await
        .map_err(doing())
}
