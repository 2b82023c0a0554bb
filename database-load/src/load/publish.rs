//! Makes staged versions active: one transaction, or none.

use std::time::Duration;

use database::channels;
use one_shot::{Deadline, SideChannel};
use process::failure::{ExitCode, Failure};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, IsolationLevel, Transaction};
use tracing::{info, warn};
use uuid::Uuid;

use super::statement::traced;
use super::{Changes, Outcome, failure};
use crate::datasets::{DatasetKind, Effect};
use crate::run_options;

/// The active version of a profile, locked.
const ACTIVE: &str =
    "SELECT version FROM dataset_versions WHERE profile = $1 AND state = 'active' FOR UPDATE";

const RETIRE: &str = "
    UPDATE dataset_versions SET state = 'retired', retired_at = clock_timestamp()
    WHERE profile = $1 AND state = 'active'";

/// Several profiles of one transaction become active one after the other: hence not `now()`.
const ACTIVATE: &str = "
    UPDATE dataset_versions SET state = 'active', activated_at = clock_timestamp()
    WHERE version = $1 AND state = 'staged'";

/// As [`ACTIVATE`], for a version that was active before and whose rows are still there.
const ACTIVATE_AGAIN: &str = "
    UPDATE dataset_versions SET state = 'active', activated_at = clock_timestamp(), retired_at = NULL
    WHERE version = $1 AND state = 'retired' AND pruned_at IS NULL";

/// Nothing if another run took this one for lost.
const RECORD: &str = "
    UPDATE bootstrap_runs
    SET outcome = $2, exit_code = 0, finished_at = clock_timestamp(), heartbeat_at = clock_timestamp(),
        version = $3, rows_added = $4, rows_changed = $5, rows_retired = $6, message = $7
    WHERE id = $1::text::uuid AND outcome = 'running'";

/// What one profile changed, table by table.
pub(crate) type PerTable = Vec<(&'static str, Changes)>;

/// A version that is to become the active one of its profile.
#[derive(Clone, Debug)]
pub(crate) struct Publication {
    pub(crate) run_id: Uuid,
    pub(crate) profile: String,
    /// What the version brings, in the order in which it is published.
    pub(crate) datasets: Vec<DatasetKind>,
    pub(crate) version: i64,
    /// The version that was active when the decision was made.
    pub(crate) active: Option<i64>,
    pub(crate) origin: Origin,
    /// How its coupon codes differ from the active ones.
    pub(crate) coupon_codes: Changes,
    /// What is worth knowing, for the record.
    pub(crate) message: Option<String>,
}

/// Where a version comes from that is to become active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It was just staged.
    Staged,
    /// It was active before: its rows are restored, and orders, which belong to run time, are left
    /// alone.
    Kept,
}

/// How often a publication is tried again that the server ended in favor of another transaction.
const RETRIES: u32 = 3;

/// Publishes all of them together; returns what each changed. `locks` is the connection that holds
/// the locks.
///
/// # Errors
/// That of `deadline` when it came before the commit; nothing was changed then, nor after any other
/// error but one that says so.
pub(crate) async fn publish(
    client: &mut Client,
    locks: &SideChannel,
    publications: &[Publication],
    deadline: &Deadline,
) -> Result<Vec<PerTable>, Failure> {
    let pid = client.query_one("SELECT pg_backend_pid()", &[]).await;
    let pid: i32 = pid.map_err(failure::database("publish"))?.get(0);
    let mut attempt = 1;
    loop {
        let published = {
            let mut publish = std::pin::pin!(publish_all(client, publications, deadline));
            tokio::select! {
                published = &mut publish => published,
                _ = deadline.reached(Duration::ZERO) => {
                    if let Err(error) = locks.cancel(pid).await {
                        warn!(error, "the running statement could not be canceled");
                    }
                    publish.await
                }
            }
        };
        match (published, deadline.reason()) {
            (Ok(all), _) => return Ok(all),
            (Err(_), Some(reason)) => return Err(run_options::stopped(reason)),
            (Err(failure), None) if attempt <= RETRIES && is_worth_another_try(&failure) => {
                info!(
                    attempt,
                    error = failure.line(),
                    "publishing again: another transaction went first"
                );
                attempt += 1;
            }
            (Err(failure), None) => return Err(failure),
        }
    }
}

/// A serialization failure or a deadlock: the server rolled back, and the next attempt
/// may find no session in the way.
fn is_worth_another_try(failure: &Failure) -> bool {
    let states = [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
    ];
    failure::state(failure).is_some_and(|state| states.contains(state))
}

fn check(deadline: &Deadline) -> Result<(), Failure> {
    deadline
        .reason()
        .map_or(Ok(()), |reason| Err(run_options::stopped(reason)))
}

async fn publish_all(
    client: &mut Client,
    publications: &[Publication],
    deadline: &Deadline,
) -> Result<Vec<PerTable>, Failure> {
    let transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::ReadCommitted)
        .start()
        .await
        .map_err(failure::database("publish"))?;
    let mut all = Vec::with_capacity(publications.len());
    for publication in publications {
        is_still_active(&transaction, publication).await?;
        let changes = apply(&transaction, publication, deadline).await?;
        check(deadline)?;
        if outcome(publication, &changes) == Outcome::Changed {
            activate(&transaction, publication).await?;
        }
        all.push(changes);
    }
    // Last of all: others that write to these rows wait for a short time.
    for (publication, changes) in publications.iter().zip(&all) {
        record(&transaction, publication, changes).await?;
        if outcome(publication, changes) == Outcome::Unchanged {
            continue;
        }
        let version = publication.version.to_string();
        let notify = "SELECT pg_notify($1, $2)";
        execute(&transaction, notify, &[&channels::DATASET_PUBLISHED, &version]).await?;
    }
    check(deadline)?;
    traced("COMMIT", None, async {
        transaction
            .commit()
            .await
            .map_err(failure::database("publish: commit"))
    })
    .await?;
    Ok(all)
}

/// Unchanged when nothing was done at all: what is restored over itself may have been there as it
/// was.
pub(super) fn outcome(publication: &Publication, changes: &PerTable) -> Outcome {
    let is_nothing = |(_, changes): &(&str, Changes)| *changes == Changes::default();
    match publication.active == Some(publication.version) && changes.iter().all(is_nothing) {
        true => Outcome::Unchanged,
        false => Outcome::Changed,
    }
}

async fn is_still_active(transaction: &Transaction<'_>, publication: &Publication) -> Result<(), Failure> {
    let name = &publication.profile;
    let active = transaction.query_opt(ACTIVE, &[name]).await;
    let active = active.map_err(failure::database("publish"))?;
    if active.map(|row| row.get::<_, i64>(0)) == publication.active {
        return Ok(());
    }
    let message = format!("another run published profile {name} meanwhile; nothing was changed");
    Err(Failure::new(ExitCode::Unexpected, message))
}

async fn activate(transaction: &Transaction<'_>, publication: &Publication) -> Result<(), Failure> {
    let Publication {
        profile,
        version,
        origin,
        ..
    } = publication;
    let (activate, was) = match origin {
        Origin::Staged => (ACTIVATE, "staged"),
        Origin::Kept => (ACTIVATE_AGAIN, "there"),
    };
    traced("UPDATE", Some("dataset_versions"), async {
        execute(transaction, RETIRE, &[profile]).await?;
        if execute(transaction, activate, &[version]).await? == 1 {
            return Ok(());
        }
        let message = format!("version {version} of profile {profile} is no longer {was}");
        Err(Failure::new(ExitCode::Unexpected, message))
    })
    .await
}

async fn record(
    transaction: &Transaction<'_>,
    publication: &Publication,
    changes: &PerTable,
) -> Result<(), Failure> {
    let sum = |of: fn(&Changes) -> u64| {
        changes
            .iter()
            .map(|(_, changes)| i64::try_from(of(changes)).unwrap_or(i64::MAX))
            .sum::<i64>()
    };
    let (added, changed) = (sum(|changes| changes.added), sum(|changes| changes.changed));
    let retired = sum(|changes| changes.retired);
    let run_id = publication.run_id.to_string();
    let (version, message) = (&publication.version, &publication.message);
    let outcome = outcome(publication, changes).name();
    let values: [&(dyn ToSql + Sync); 7] = [&run_id, &outcome, version, &added, &changed, &retired, message];
    if execute(transaction, RECORD, &values).await? == 1 {
        return Ok(());
    }
    let message = format!("run {run_id} was taken for lost by another; nothing was changed");
    Err(Failure::new(ExitCode::Unexpected, message))
}

async fn execute(
    transaction: &Transaction<'_>,
    statement: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<u64, Failure> {
    let executed = transaction.execute(statement, values).await;
    executed.map_err(failure::database("publish"))
}

/// Brings the rows of a version into the tables; returns what that changes.
async fn apply(
    transaction: &Transaction<'_>,
    publication: &Publication,
    deadline: &Deadline,
) -> Result<PerTable, Failure> {
    let mut changes = PerTable::new();
    for dataset in &publication.datasets {
        for table in dataset.tables() {
            let statements = table.publish(publication.origin == Origin::Kept);
            if statements.is_empty() {
                continue;
            }
            let apply = async {
                let mut changes = Changes::default();
                for (effect, statement) in &statements {
                    check(deadline)?;
                    let rows = execute(transaction, statement, &[&publication.version]).await?;
                    match effect {
                        Effect::Retired => changes.retired += rows,
                        Effect::Changed => changes.changed += rows,
                        Effect::Added => changes.added += rows,
                        Effect::None => (),
                    }
                }
                check(deadline).map(|()| changes)
            };
            changes.push((table.name, traced("BATCH", Some(table.name), apply).await?));
        }
    }
    if publication.datasets.contains(&DatasetKind::CouponCodes) {
        changes.push((DatasetKind::CouponCodes.name(), publication.coupon_codes));
    }
    Ok(changes)
}
