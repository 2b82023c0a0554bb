//! Reads all reference data in one transaction.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shop::{KeyHash, Promotion};

use super::Unusable;
use super::api_keys::{KeyRecord, read_api_keys, read_hash_key_ids};
use super::bootstrap_runs::{BootstrapRun, read_runs};
use super::catalogue::{Product, read_products};
use super::coupon_codes::{CouponCodes, read_coupon_codes};
use super::promotions::read_promotions;

/// The rows that one transaction read.
pub(super) struct Rows {
    pub(super) products: Vec<Product>,
    pub(super) products_published_at: Option<DateTime<Utc>>,
    pub(super) promotions: HashMap<String, Promotion>,
    pub(super) api_keys: HashMap<KeyHash, KeyRecord>,
    pub(super) hash_key_ids: BTreeSet<String>,
    pub(super) coupon_codes: CouponCodes,
    pub(super) runs: Vec<BootstrapRun>,
    pub(super) published_at: Option<DateTime<Utc>>,
    pub(super) read_at: (DateTime<Utc>, Instant),
}

/// Reads everything in one repeatable-read transaction: no mixture of two publications.
pub(super) async fn read(connection: &mut AsyncPgConnection) -> QueryResult<Result<Rows, Unusable>> {
    let mut transaction = connection.build_transaction().read_only().repeatable_read();
    let outcome = transaction
        .run(async |connection| read_all(connection).await)
        .await;
    match outcome {
        Err(Unusable::Query(error)) => Err(error),
        outcome => Ok(outcome),
    }
}

async fn read_all(connection: &mut AsyncPgConnection) -> Result<Rows, Unusable> {
    schema_is_new_enough(connection).await?;
    // Not now(), which is when the transaction began.
    let instant = Instant::now();
    let now = diesel::select(sql::<Timestamptz>("clock_timestamp()"))
        .get_result::<DateTime<Utc>>(connection)
        .await?;
    let active = active_versions(connection).await?;
    let codes = active.get("coupon_codes").map(|(version, _)| *version);
    Ok(Rows {
        products: read_products(connection).await?,
        products_published_at: active.get("products").map(|(_, at)| *at),
        promotions: read_promotions(connection).await?,
        api_keys: read_api_keys(connection).await?,
        hash_key_ids: read_hash_key_ids(connection).await?,
        coupon_codes: read_coupon_codes(connection, codes).await?,
        runs: read_runs(connection).await?,
        published_at: active.values().map(|(_, at)| *at).max(),
        read_at: (now, instant),
    })
}

async fn schema_is_new_enough(connection: &mut AsyncPgConnection) -> Result<(), Unusable> {
    const LEDGER: &str = "SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL AS present";
    const NEWEST: &str = "SELECT max(version::integer) AS newest FROM __diesel_schema_migrations";
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
    let needed = database::version::NEWEST;
    let ledger = diesel::sql_query(LEDGER).get_result::<Ledger>(connection).await?;
    if !ledger.present {
        return Err(Unusable::SchemaTooOld { found: 0, needed });
    }
    let newest = diesel::sql_query(NEWEST).get_result::<Newest>(connection).await?;
    let found = newest.newest.unwrap_or(0);
    if found < needed {
        Err(Unusable::SchemaTooOld { found, needed })
    } else {
        Ok(())
    }
}

const ACTIVE_VERSIONS: &str = "
    SELECT DISTINCT ON (dataset) dataset, version, activated_at
    FROM dataset_versions, unnest(datasets) AS dataset
    WHERE state = 'active'
    ORDER BY dataset, activated_at DESC, version DESC";

/// For each dataset the version that it shows: the latest activated among the profiles that bring
/// it.
async fn active_versions(
    connection: &mut AsyncPgConnection,
) -> QueryResult<HashMap<String, (i64, DateTime<Utc>)>> {
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
