//! Makes staged versions the ones in force: one transaction, or none.

mod cancel;
mod sql;

use database::channels;
use process::exit::{ExitCode, Failure};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, IsolationLevel, Transaction};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::statement::traced;
use super::{Changes, Staged, failure};
use crate::profile::{Dataset, Profile};
use sql::Table;

/// What one profile changed, table by table.
type PerTable = Vec<(&'static str, Changes)>;

/// How often a publication is tried again that the server ended in favor of another transaction.
const RETRIES: u32 = 3;

/// Publishes all of them together; returns what each changed. `locks` is the connection that holds the locks.
///
/// # Errors
/// `Terminated` when `cancel` came before the commit; nothing was changed then, nor after any other error but one that
/// says so.
pub(super) async fn publish(
    client: &mut Client,
    locks: &Client,
    staged: &[Staged],
    cancel: &CancellationToken,
) -> Result<Vec<PerTable>, Failure> {
    let pid = client.query_one("SELECT pg_backend_pid()", &[]).await;
    let pid: i32 = pid.map_err(failure::database("publish"))?.get(0);
    let mut attempt = 1;
    loop {
        let published = {
            let mut publish = std::pin::pin!(publish_all(client, staged, cancel));
            tokio::select! {
                published = &mut publish => published,
                () = cancel.cancelled() => {
                    cancel::statement(locks, pid).await;
                    publish.await
                }
            }
        };
        match published {
            Ok(all) => return Ok(all),
            Err(_) if cancel.is_cancelled() => return Err(failure::canceled()),
            Err(failure) if attempt <= RETRIES && is_worth_another_try(&failure) => {
                info!(
                    attempt,
                    error = failure.line(),
                    "publishing again: another transaction went first"
                );
                attempt += 1;
            }
            Err(failure) => return Err(failure),
        }
    }
}

/// A serialization failure or a deadlock: the server rolled back, and another time nobody may be in the way.
fn is_worth_another_try(failure: &Failure) -> bool {
    let states = [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
    ];
    failure::state(failure).is_some_and(|state| states.contains(state))
}

fn stop_if(cancel: &CancellationToken) -> Result<(), Failure> {
    if cancel.is_cancelled() {
        Err(failure::canceled())
    } else {
        Ok(())
    }
}

async fn publish_all(
    client: &mut Client,
    staged: &[Staged],
    cancel: &CancellationToken,
) -> Result<Vec<PerTable>, Failure> {
    let transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::ReadCommitted)
        .start()
        .await
        .map_err(failure::database("publish"))?;
    let mut all = Vec::with_capacity(staged.len());
    for staged in staged {
        is_still_active(&transaction, staged).await?;
        let (profile, version) = (&staged.job.profile, staged.version);
        all.push(apply(&transaction, profile, version, staged.coupon_codes, cancel).await?);
        stop_if(cancel)?;
        activate(&transaction, staged).await?;
    }
    // Last of all: whoever writes to these rows meanwhile does not have to wait for long.
    for (staged, changes) in staged.iter().zip(&all) {
        record(&transaction, staged, changes).await?;
        let version = staged.version.to_string();
        let notify = "SELECT pg_notify($1, $2)";
        execute(&transaction, notify, &[&channels::DATASET_PUBLISHED, &version]).await?;
    }
    stop_if(cancel)?;
    traced("COMMIT", None, async {
        transaction
            .commit()
            .await
            .map_err(failure::database("publish: commit"))
    })
    .await?;
    Ok(all)
}

async fn is_still_active(transaction: &Transaction<'_>, staged: &Staged) -> Result<(), Failure> {
    let name = &staged.job.profile.name;
    let active = transaction.query_opt(sql::ACTIVE, &[name]).await;
    let active = active.map_err(failure::database("publish"))?;
    if active.map(|row| row.get::<_, i64>(0)) == staged.active {
        return Ok(());
    }
    let message = format!("another run published profile {name} meanwhile; nothing was changed");
    Err(Failure::new(ExitCode::Unexpected, message))
}

async fn activate(transaction: &Transaction<'_>, staged: &Staged) -> Result<(), Failure> {
    let (name, version) = (&staged.job.profile.name, staged.version);
    traced("UPDATE", Some("dataset_versions"), async {
        execute(transaction, sql::RETIRE, &[name]).await?;
        if execute(transaction, sql::ACTIVATE, &[&version]).await? == 1 {
            return Ok(());
        }
        let message = format!("version {version} of profile {name} is no longer staged");
        Err(Failure::new(ExitCode::Unexpected, message))
    })
    .await
}

async fn record(
    transaction: &Transaction<'_>,
    staged: &Staged,
    changes: &[(&'static str, Changes)],
) -> Result<(), Failure> {
    let sum = |of: fn(&Changes) -> u64| {
        changes
            .iter()
            .map(|(_, changes)| i64::try_from(of(changes)).unwrap_or(i64::MAX))
            .sum::<i64>()
    };
    let (added, changed) = (sum(|changes| changes.added), sum(|changes| changes.changed));
    let retired = sum(|changes| changes.retired);
    let run_id = staged.job.run_id.to_string();
    let values: [&(dyn ToSql + Sync); 5] = [&run_id, &staged.version, &added, &changed, &retired];
    if execute(transaction, sql::RECORD, &values).await? == 1 {
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
pub(super) async fn apply(
    transaction: &Transaction<'_>,
    profile: &Profile,
    version: i64,
    coupon_codes: Changes,
    cancel: &CancellationToken,
) -> Result<PerTable, Failure> {
    let mut changes = PerTable::new();
    for table in tables(profile) {
        let apply = async {
            let mut rows = [0; 4];
            for (statement, rows) in table.statements().into_iter().zip(&mut rows) {
                stop_if(cancel)?;
                if let Some(statement) = statement {
                    *rows = execute(transaction, statement, &[&version]).await?;
                }
            }
            Ok(counted(rows))
        };
        changes.push((table.name, traced("BATCH", Some(table.name), apply).await?));
    }
    if profile.operation(Dataset::CouponCodes).is_some() {
        changes.push((Dataset::CouponCodes.name(), coupon_codes));
    }
    Ok(changes)
}

fn tables(profile: &Profile) -> impl Iterator<Item = &'static Table> {
    profile
        .datasets()
        .into_iter()
        .flat_map(|dataset| match dataset {
            Dataset::Users => [&sql::USERS, &sql::API_KEYS].as_slice(),
            Dataset::Products => &[&sql::PRODUCTS],
            Dataset::Promotions => &[&sql::PROMOTIONS],
            Dataset::Orders => &[&sql::ORDERS],
            Dataset::CouponCodes => &[],
        })
        .copied()
}

/// Rows written by the statements of [`Table::statements`].
fn counted([retired, _, changed, added]: [u64; 4]) -> Changes {
    Changes {
        added,
        changed,
        retired,
    }
}
