//! Makes staged versions the ones in force: one transaction, or none.

mod cancel;
mod sql;

use database::{Database, channels};
use diesel::OptionalExtension as _;
use diesel::sql_types::{BigInt, Text, Uuid as SqlUuid};
use diesel_async::{AsyncConnection as _, AsyncPgConnection, RunQueryDsl as _};
use process::exit::{ExitCode, Failure};
use tokio_postgres::Transaction;
use tokio_util::sync::CancellationToken;

use super::{Changes, Staged, failure};
use crate::profile::{Dataset, Profile};
use sql::Table;

/// What one profile changed, table by table.
type PerTable = Vec<(&'static str, Changes)>;

/// Publishes all of them together; returns what each changed.
///
/// # Errors
/// `Terminated` when `cancel` came before the commit; nothing was changed then, nor after any other error but one that
/// says so.
pub(super) async fn publish(
    database: &Database,
    staged: &[Staged],
    cancel: &CancellationToken,
) -> Result<Vec<PerTable>, Failure> {
    let mut connection = database.connect_diesel().await.map_err(failure::connecting)?;
    let pid = diesel::select(diesel::dsl::sql::<diesel::sql_types::Integer>("pg_backend_pid()"));
    let pid: i32 = pid.get_result(&mut connection).await.map_err(diesel_failure)?;
    let mut publish = std::pin::pin!(connection.transaction(async |connection| {
        let mut all = Vec::with_capacity(staged.len());
        for staged in staged {
            all.push(publish_one(connection, staged, cancel).await?);
        }
        for staged in staged {
            notify(connection, staged.version).await?;
        }
        stop_if(cancel)?;
        Ok::<_, Error>(all)
    }));
    let published = tokio::select! {
        published = &mut publish => published,
        () = cancel.cancelled() => {
            cancel::statement(database, pid).await;
            publish.await
        }
    };
    published.map_err(|error| match error {
        _ if cancel.is_cancelled() => failure::canceled(),
        Error::Database(error) => diesel_failure(error),
        Error::Other(failure) => failure,
    })
}

enum Error {
    Database(diesel::result::Error),
    Other(Failure),
}

impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Error {
        Error::Database(error)
    }
}

fn diesel_failure(error: diesel::result::Error) -> Failure {
    use diesel::result::{DatabaseErrorKind, Error::DatabaseError};
    let code = match &error {
        DatabaseError(DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand, _) => {
            ExitCode::Input
        }
        // diesel does not tell the SQLSTATE; the words are those of an English server.
        DatabaseError(_, about) if about.message().contains("lock timeout") => ExitCode::LockTimeout,
        _ => ExitCode::Unexpected,
    };
    Failure::new(code, "publish").context_from(error)
}

fn stop_if(cancel: &CancellationToken) -> Result<(), Error> {
    if cancel.is_cancelled() {
        Err(Error::Other(failure::canceled()))
    } else {
        Ok(())
    }
}

async fn publish_one(
    connection: &mut AsyncPgConnection,
    staged: &Staged,
    cancel: &CancellationToken,
) -> Result<PerTable, Error> {
    let (profile, version) = (&staged.job.profile, staged.version);
    diesel::sql_query("SET LOCAL lock_timeout = '30s'")
        .execute(connection)
        .await?;
    let active = diesel::sql_query(sql::ACTIVE)
        .bind::<Text, _>(&profile.name)
        .get_result::<Version>(connection)
        .await;
    if active.optional()?.map(|row| row.version) != staged.active {
        let message = format!(
            "another run published profile {} meanwhile; nothing was changed",
            profile.name
        );
        return Err(Error::Other(Failure::new(ExitCode::Unexpected, message)));
    }
    let mut changes = PerTable::new();
    for table in tables(profile) {
        let mut rows = [0; 4];
        for (statement, rows) in table.statements().into_iter().zip(&mut rows) {
            stop_if(cancel)?;
            if let Some(statement) = statement {
                *rows = diesel::sql_query(statement)
                    .bind::<BigInt, _>(version)
                    .execute(connection)
                    .await? as u64;
            }
        }
        changes.push((table.name, counted(rows)));
    }
    if profile.operation(Dataset::CouponCodes).is_some() {
        changes.push((Dataset::CouponCodes.name(), staged.coupon_codes));
    }
    stop_if(cancel)?;
    diesel::sql_query(sql::RETIRE)
        .bind::<Text, _>(&profile.name)
        .execute(connection)
        .await?;
    let activated = diesel::sql_query(sql::ACTIVATE)
        .bind::<BigInt, _>(version)
        .execute(connection)
        .await?;
    if activated != 1 {
        let message = format!(
            "version {version} of profile {} is no longer staged",
            profile.name
        );
        return Err(Error::Other(Failure::new(ExitCode::Unexpected, message)));
    }
    let sum = |of: fn(&Changes) -> u64| {
        changes
            .iter()
            .map(|(_, changes)| i64::try_from(of(changes)).unwrap_or(i64::MAX))
            .sum::<i64>()
    };
    diesel::sql_query(sql::RECORD)
        .bind::<SqlUuid, _>(staged.job.run_id)
        .bind::<BigInt, _>(version)
        .bind::<BigInt, _>(sum(|changes| changes.added))
        .bind::<BigInt, _>(sum(|changes| changes.changed))
        .bind::<BigInt, _>(sum(|changes| changes.retired))
        .execute(connection)
        .await?;
    Ok(changes)
}

async fn notify(connection: &mut AsyncPgConnection, version: i64) -> Result<(), Error> {
    diesel::sql_query("SELECT pg_notify($1, $2)")
        .bind::<Text, _>(channels::DATASET_PUBLISHED)
        .bind::<Text, _>(version.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

#[derive(diesel::QueryableByName)]
struct Version {
    #[diesel(sql_type = BigInt)]
    version: i64,
}

/// Applies a version inside a transaction that the caller rolls back; returns what it would change.
pub(super) async fn try_out(
    transaction: &Transaction<'_>,
    profile: &Profile,
    version: i64,
    coupon_codes: Changes,
) -> Result<PerTable, Failure> {
    let mut changes = PerTable::new();
    for table in tables(profile) {
        let mut rows = [0; 4];
        for (statement, rows) in table.statements().into_iter().zip(&mut rows) {
            if let Some(statement) = statement {
                let executed = transaction.execute(statement, &[&version]).await;
                *rows = executed.map_err(failure::database("try the changes out"))?;
            }
        }
        changes.push((table.name, counted(rows)));
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
