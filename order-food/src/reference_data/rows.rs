//! Reads all reference data in one transaction, each table under a savepoint.

use std::collections::HashMap;
use std::time::Instant;

use chrono::{DateTime, Utc};
use database::pool::is_lost;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use shop::{Product, Promotion};

use super::Unusable;
use super::api_keys::{ApiKeys, read_api_keys};
use super::bootstrap_runs::{BootstrapRun, read_runs};
use super::catalogue::read_products;
use super::coupon_codes::{CouponCodes, read_coupon_codes};
use super::partitions::partitions_ahead;
use super::promotions::read_promotions;
use super::table::SkippedRows;
use crate::webhooks::EventType;
use crate::webhooks::endpoints::{self, EndpointId};

/// For each dataset the version that it shows, and when that was published.
pub(super) type ActiveVersions = HashMap<String, (i64, DateTime<Utc>)>;

/// The rows that one transaction read; a table that could not be read is an error of its own.
pub(super) struct Rows {
    pub(super) ledger: QueryResult<()>,
    pub(super) versions: QueryResult<ActiveVersions>,
    pub(super) api_keys: QueryResult<(ApiKeys, SkippedRows)>,
    pub(super) promotions: QueryResult<(HashMap<String, Promotion>, SkippedRows)>,
    pub(super) products: QueryResult<(Vec<Product>, SkippedRows)>,
    pub(super) coupon_codes: QueryResult<CouponCodes>,
    pub(super) runs: QueryResult<Vec<BootstrapRun>>,
    pub(super) webhook_endpoints: QueryResult<Vec<EndpointId>>,
    /// `None` when it could not be read, too: no more than a figure depends on it.
    pub(super) partitions_ahead: Option<i32>,
    pub(super) read_at: (DateTime<Utc>, Instant),
}

/// Reads everything. The caller's transaction shows one state: no mixture of two publications.
///
/// # Errors
/// When the connection is lost.
pub(super) async fn read(connection: &mut AsyncPgConnection) -> QueryResult<Result<Rows, Unusable>> {
    read_all(connection).await
}

/// API keys come first: the limit of the whole may end the reading of a large catalogue.
async fn read_all(connection: &mut AsyncPgConnection) -> QueryResult<Result<Rows, Unusable>> {
    let ledger = match table(connection, newest_migration).await? {
        Ok(found) if found < database::version::NEWEST => {
            let needed = database::version::NEWEST;
            return Ok(Err(Unusable::SchemaTooOld { found, needed }));
        }
        read => read.map(|_| ()),
    };
    // Not now(), which is when the transaction began.
    let instant = Instant::now();
    let now = diesel::select(sql::<Timestamptz>("clock_timestamp()"))
        .get_result::<DateTime<Utc>>(connection)
        .await?;
    let versions = table(connection, active_versions).await?;
    let codes = versions
        .as_ref()
        .ok()
        .and_then(|active| Some(active.get("coupon_codes")?.0));
    Ok(Ok(Rows {
        ledger,
        versions,
        api_keys: table(connection, read_api_keys).await?,
        promotions: table(connection, read_promotions).await?,
        products: table(connection, read_products).await?,
        coupon_codes: table(connection, async |connection: &mut _| {
            read_coupon_codes(connection, codes).await
        })
        .await?,
        runs: table(connection, read_runs).await?,
        webhook_endpoints: table(connection, async |connection: &mut _| {
            endpoints::active(connection, EventType::OrderPlaced).await
        })
        .await?,
        partitions_ahead: table(connection, partitions_ahead).await?.ok().flatten(),
        read_at: (now, instant),
    }))
}

/// Reads one table: a failure ends neither the transaction nor the reading of the others.
///
/// # Errors
/// When the connection is lost.
async fn table<T>(
    connection: &mut AsyncPgConnection,
    read: impl AsyncFnOnce(&mut AsyncPgConnection) -> QueryResult<T>,
) -> QueryResult<QueryResult<T>> {
    connection.batch_execute("SAVEPOINT one_table").await?;
    let outcome = read(connection).await;
    match &outcome {
        Ok(_) => connection.batch_execute("RELEASE one_table").await?,
        Err(error) if is_lost(error) => return outcome.map(Ok),
        Err(_) => {
            connection
                .batch_execute("ROLLBACK TO one_table; RELEASE one_table")
                .await?
        }
    }
    Ok(outcome)
}

/// The newest applied migration; 0 without any. Versions that are not numbers of ours are those of
/// other tools.
async fn newest_migration(connection: &mut AsyncPgConnection) -> QueryResult<i32> {
    const LEDGER: &str = "SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL AS present";
    const NEWEST: &str = "
        SELECT max(version::integer) FILTER (WHERE version ~ '^[0-9]{1,9}$') AS newest
        FROM __diesel_schema_migrations";
    #[derive(QueryableByName)]
    struct Ledger {
        #[diesel(sql_type = Bool)]
        present: bool,
    }
    #[derive(QueryableByName)]
    struct Newest {
        #[diesel(sql_type = Nullable<Integer>)]
        newest: Option<i32>,
    }
    let ledger = diesel::sql_query(LEDGER).get_result::<Ledger>(connection).await?;
    if !ledger.present {
        return Ok(0);
    }
    let newest = diesel::sql_query(NEWEST).get_result::<Newest>(connection).await?;
    Ok(newest.newest.unwrap_or(0))
}

const ACTIVE_VERSIONS: &str = "
    SELECT DISTINCT ON (dataset) dataset, version, activated_at
    FROM dataset_versions, unnest(datasets) AS dataset
    WHERE state = 'active'
    ORDER BY dataset, activated_at DESC, version DESC";

/// For each dataset the version that it shows: the latest activated among the profiles that bring
/// it.
async fn active_versions(connection: &mut AsyncPgConnection) -> QueryResult<ActiveVersions> {
    #[derive(QueryableByName)]
    struct Active {
        #[diesel(sql_type = Text)]
        dataset: String,
        #[diesel(sql_type = BigInt)]
        version: i64,
        #[diesel(sql_type = Timestamptz)]
        activated_at: DateTime<Utc>,
    }
    let rows: Vec<Active> = diesel::sql_query(ACTIVE_VERSIONS).load(connection).await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.dataset, (row.version, row.activated_at)))
        .collect())
}
