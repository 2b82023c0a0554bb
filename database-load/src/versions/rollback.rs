//! Back to a version that was active before, on purpose.

use std::sync::Arc;

use database::Database;
use process::failure::{ExitCode, Failure};
use shop::HashKeys;
use tokio_postgres::Client;
use tracing::warn;
use uuid::Uuid;

use crate::datasets::DatasetKind;
use crate::load::command::{CommandRun, Prepared};
use crate::load::publish::{Origin, Publication};
use crate::load::{self, Changes, Summary, failure, lock, orphaned_staging, session, shrink_guard, stage};
use crate::run_options::{self, RunOptions};

/// What is asked of a rollback.
#[derive(Clone, Debug)]
pub struct RollbackOptions {
    /// The profile's name.
    pub profile: String,
    /// The version that is to be active.
    pub target: Target,
    /// What the active API keys should be hashed under.
    pub hash_keys: HashKeys,
    /// How long to wait, and what stops it.
    pub run_options: RunOptions,
}

/// The version that a rollback brings back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// This one. The active version itself is restored where its rows were changed by other hands.
    Version(i64),
    /// The newest one before the active one whose data differ from it.
    Previous,
}

const ACTIVE: &str = "SELECT version FROM dataset_versions WHERE profile = $1 AND state = 'active'";

/// Data that are the same as the active ones, loaded again with force, are no way back. Pruned
/// versions count: to jump over one is a decision.
const PREVIOUS: &str = "
    SELECT kept.version
    FROM dataset_versions AS active
    JOIN dataset_versions AS kept USING (profile)
    WHERE profile = $1 AND active.state = 'active' AND kept.state = 'retired' AND kept.version < active.version
      AND kept.content_sha256 <> active.content_sha256
    ORDER BY kept.version DESC
    LIMIT 1";

const FIND: &str = "
    SELECT datasets, state, pruned_at IS NOT NULL AS is_pruned, format, hash_key_id
    FROM dataset_versions
    WHERE profile = $1 AND version = $2";

/// Brings the dataset rows and coupon codes of an earlier version back, in one transaction.
/// Automatic runs then leave the profile alone until its sources are new, or `--force` is given.
///
/// What run time owns stays as it is: uses of promotions, revocations, orders.
///
/// Records run id and outcome on the current span.
///
/// # Errors
/// `Usage` when there is no such version, or its rows were pruned; `Incompatible` when their format
/// is not known, or the API would leave one out; `InvalidData` when it would bring a revoked key
/// back under another id; those of a run. Nothing is changed then.
pub async fn rollback(database: &Database, options: &RollbackOptions) -> Result<Summary, Failure> {
    let run_id = Uuid::now_v7();
    let runs = vec![(run_id, options.profile.clone())];
    let command = CommandRun::start(database, "rollback", &options.run_options, runs);
    let mut client = None;
    let prepare = prepare(&command, options, run_id, &mut client);
    let prepared = run_options::or_stop(&command.deadline, prepare).await.map(Some);
    command
        .publish(client.as_deref(), prepared, Summary::default())
        .await
}

/// Everything but the publication.
async fn prepare(
    command: &CommandRun<'_>,
    options: &RollbackOptions,
    run_id: Uuid,
    connected: &mut Option<Arc<Client>>,
) -> Result<Prepared, Failure> {
    let (database, limits) = (command.database, command.options);
    let locks = Arc::new(load::connect(database, limits.wait_timeout).await?);
    *connected = Some(Arc::clone(&locks));
    let (heartbeat, progress) = command.begin(&locks).await?;
    // All of them: which ones the versions bring is only certain while no load runs.
    lock::acquire(&locks, &DatasetKind::ALL, limits.lock_timeout, &progress).await?;
    orphaned_staging::remove_of(&locks, &DatasetKind::ALL).await?;
    Ok(Prepared {
        publications: vec![find(&locks, options, run_id).await?],
        client: session::open_with(database, limits.lock_timeout).await?,
        locks,
        _heartbeat: heartbeat,
        progress,
    })
}

/// What is to be published; asked under the locks.
async fn find(client: &Client, options: &RollbackOptions, run_id: Uuid) -> Result<Publication, Failure> {
    let profile = &options.profile;
    let doing = || failure::database("read the dataset versions");
    let refused = |message: String| Err(Failure::new(ExitCode::Usage, message));
    let active = client.query_opt(ACTIVE, &[profile]).await.map_err(doing())?;
    let Some(active) = active.map(|row| row.get::<_, i64>(0)) else {
        return refused(format!("profile {profile} has no active version"));
    };
    let target = match options.target {
        Target::Version(version) => Some(version),
        Target::Previous => client
            .query_opt(PREVIOUS, &[profile])
            .await
            .map_err(doing())?
            .map(|row| row.get(0)),
    };
    let Some(target) = target else {
        return refused(format!(
            "profile {profile} has no version before version {active}"
        ));
    };
    let found = client
        .query_opt(FIND, &[profile, &target])
        .await
        .map_err(doing())?;
    let Some(row) = found.filter(|row| row.get::<_, &str>("state") != "staged") else {
        return refused(format!(
            "profile {profile} has no version {target} that was ever active; `database-load history` lists them"
        ));
    };
    if row.get("is_pruned") {
        return refused(format!(
            "version {target} of profile {profile} was pruned: its rows are gone; `database-load history` lists those that are kept"
        ));
    }
    super::is_readable(client, target, row.get("format")).await?;
    let datasets = datasets(target, &row)?;
    super::is_served(client, target, &datasets).await?;
    if datasets.contains(&DatasetKind::Users) {
        shrink_guard::revoked_keys(client, target).await?;
        let hashed_under: &str = row.get("hash_key_id");
        if !options.hash_keys.iter().any(|key| key.id() == hashed_under) {
            warn!(
                profile,
                version = target,
                "the API keys of this version were hashed under a secret that API_KEY_HASH_KEY does not have: they will not work"
            );
        }
    }
    let coupon_codes = if datasets.contains(&DatasetKind::CouponCodes) {
        stage::compare_codes(client, target).await?
    } else {
        Changes::default()
    };
    Ok(Publication {
        run_id,
        profile: profile.clone(),
        datasets,
        version: target,
        active: Some(active),
        origin: Origin::Kept,
        coupon_codes,
        message: (target != active).then(|| format!("rolled back from version {active} to version {target}")),
    })
}

fn datasets(version: i64, row: &tokio_postgres::Row) -> Result<Vec<DatasetKind>, Failure> {
    let names: Vec<String> = row.get("datasets");
    if let Some(unknown) = names.iter().find(|name| DatasetKind::named(name).is_none()) {
        let message = format!("version {version} brings {unknown}, which this build does not know");
        return Err(Failure::new(ExitCode::Incompatible, message));
    }
    // In the order in which they are published.
    let is_named = |dataset: &DatasetKind| names.iter().any(|name| name == dataset.name());
    Ok(DatasetKind::ALL.into_iter().filter(is_named).collect())
}
