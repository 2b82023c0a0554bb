use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use chrono::{DateTime, Utc};
use database::amount::Amount;
use database::schema::{api_keys, coupon_codes, products, promotions, schema_migrations, users};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, SmallInt, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use shop::{CouponCode, KeyHash, ProductId, Promotion, PromotionKind, Scope};
use uuid::Uuid;

use super::CouponCodes;
use crate::auth::KeyRecord;
use crate::health::BootstrapRun;
use crate::products::Product;

/// What was read cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("the schema has version {found}, this build needs {needed}")]
    SchemaTooOld { found: i32, needed: i32 },
    #[error("the database cannot read the shop's data")]
    Query(#[from] diesel::result::Error),
    #[error("a row cannot be understood: {0}")]
    Row(String),
}

/// Up to this many bulk codes are held in memory; more are looked up in the table.
const HELD_CODES: i64 = 10_000;

/// What one transaction saw.
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
    let ledger = "SELECT to_regclass('schema_migrations') IS NOT NULL AS present";
    #[derive(QueryableByName)]
    struct Ledger {
        #[diesel(sql_type = diesel::sql_types::Bool)]
        present: bool,
    }
    let needed = database::version::NEWEST;
    if !diesel::sql_query(ledger)
        .get_result::<Ledger>(connection)
        .await?
        .present
    {
        return Err(Unusable::SchemaTooOld { found: 0, needed });
    }
    let newest = schema_migrations::table.select(diesel::dsl::max(schema_migrations::version));
    let found = newest.get_result::<Option<i32>>(connection).await?.unwrap_or(0);
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

/// For each dataset the version that it shows: the latest activated among the profiles that bring it.
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

/// The available products by id.
async fn read_products(connection: &mut AsyncPgConnection) -> Result<Vec<Product>, Unusable> {
    let rows: Vec<(i64, String, Amount, String, Option<Value>)> = products::table
        .select((
            products::id,
            products::name,
            products::price,
            products::category,
            products::image,
        ))
        .filter(products::available)
        .order(products::id)
        .load(connection)
        .await?;
    rows.into_iter()
        .map(|(id, name, Amount(price), category, image)| {
            let id =
                ProductId::new(id).map_err(|problem| Unusable::Row(format!("products {id}: {problem}")))?;
            let image = image.map(serde_json::from_value).transpose();
            let image = image.map_err(|problem| Unusable::Row(format!("products {id}: image: {problem}")))?;
            Ok(Product {
                id,
                name: name.into(),
                price,
                category: category.into(),
                image,
            })
        })
        .collect()
}

/// The active promotions by code.
async fn read_promotions(connection: &mut AsyncPgConnection) -> Result<HashMap<String, Promotion>, Unusable> {
    type Row = (
        String,
        String,
        Amount,
        i32,
        Option<Amount>,
        Option<DateTime<Utc>>,
        Option<DateTime<Utc>>,
        Option<i64>,
    );
    let rows: Vec<Row> = promotions::table
        .select((
            promotions::code,
            promotions::kind,
            promotions::value,
            promotions::min_items,
            promotions::max_discount,
            promotions::starts_at,
            promotions::ends_at,
            promotions::max_uses,
        ))
        .filter(promotions::active)
        .load(connection)
        .await?;
    rows.into_iter()
        .map(
            |(code, kind, Amount(value), min_items, max_discount, starts_at, ends_at, max_uses)| {
                let row = |problem: String| Unusable::Row(format!("promotions {code}: {problem}"));
                let promotion = Promotion {
                    code: CouponCode::parse(code.as_str()).map_err(|problem| row(problem.to_string()))?,
                    kind: PromotionKind::new(&kind, value).map_err(|problem| row(problem.to_string()))?,
                    min_items: u32::try_from(min_items).map_err(|problem| row(problem.to_string()))?,
                    max_discount: max_discount.map(|Amount(most)| most),
                    starts_at,
                    ends_at,
                    max_uses: max_uses
                        .map(u64::try_from)
                        .transpose()
                        .map_err(|problem| row(problem.to_string()))?,
                };
                Ok((code, promotion))
            },
        )
        .collect()
}

/// The keys that are neither retired nor revoked, of active users, by hash. Expiry is looked at when a key is used.
async fn read_api_keys(connection: &mut AsyncPgConnection) -> Result<HashMap<KeyHash, KeyRecord>, Unusable> {
    type Row = (Uuid, Vec<u8>, Vec<String>, Option<DateTime<Utc>>);
    let rows: Vec<Row> = api_keys::table
        .inner_join(users::table.on(users::id.eq(api_keys::user_id)))
        .select((
            api_keys::id,
            api_keys::key_hash,
            api_keys::scopes,
            api_keys::expires_at,
        ))
        .filter(
            api_keys::active
                .and(users::active)
                .and(api_keys::revoked_at.is_null()),
        )
        .load(connection)
        .await?;
    rows.into_iter()
        .map(|(id, hash, scopes, expires_at)| {
            let row = |problem: String| Unusable::Row(format!("api_keys {id}: {problem}"));
            let hash =
                <[u8; 32]>::try_from(hash).map_err(|hash| row(format!("hash of {} bytes", hash.len())))?;
            let scopes = scopes
                .iter()
                .map(|scope| Scope::parse(scope))
                .collect::<Result<_, _>>();
            let scopes = scopes.map_err(|problem| row(problem.to_string()))?;
            Ok((
                KeyHash(hash),
                KeyRecord {
                    id,
                    scopes,
                    expires_at,
                },
            ))
        })
        .collect()
}

/// The ids of the hash keys under which the keys in force were hashed.
async fn read_hash_key_ids(connection: &mut AsyncPgConnection) -> QueryResult<BTreeSet<String>> {
    let ids = api_keys::table
        .select(api_keys::hash_key_id)
        .filter(api_keys::active.and(api_keys::revoked_at.is_null()))
        .distinct();
    Ok(ids.load(connection).await?.into_iter().collect())
}

/// The codes of the active version, when they are few.
async fn read_coupon_codes(
    connection: &mut AsyncPgConnection,
    version: Option<i64>,
) -> QueryResult<CouponCodes> {
    let Some(version) = version else {
        return Ok(CouponCodes::None);
    };
    let codes: Vec<String> = coupon_codes::table
        .select(coupon_codes::code)
        .filter(coupon_codes::version.eq(version))
        .limit(HELD_CODES + 1)
        .load(connection)
        .await?;
    let few = i64::try_from(codes.len()).is_ok_and(|count| count <= HELD_CODES);
    Ok(if few {
        CouponCodes::Held(codes.into_iter().collect())
    } else {
        CouponCodes::Stored(version)
    })
}

/// Runs that bring schema or data up to date; a run without a heartbeat for 60 s has failed, too: it is lost. What was kept because
/// a source could not be reached is no failure, but no fresh look at the sources either.
const LATEST_RUNS: &str = "
    WITH ended AS (
        SELECT task, started_at, finished_at, outcome, coalesce(exit_code, 1::smallint) AS exit_code,
               coalesce(finished_at, heartbeat_at) AS ended_at,
               extract(epoch FROM coalesce(finished_at, heartbeat_at) - started_at)::float8 AS duration_s
        FROM bootstrap_runs
        WHERE command IN ('run', 'up') AND (finished_at IS NOT NULL OR heartbeat_at < now() - interval '60 s')
    ), good AS (
        SELECT task, max(started_at) AS started_at,
               max(finished_at) FILTER (WHERE outcome <> 'kept') AS succeeded_at
        FROM ended WHERE exit_code = 0 GROUP BY task
    )
    SELECT DISTINCT ON (ended.task) ended.task, exit_code, duration_s, ended_at, succeeded_at,
           (SELECT min(started_at) FROM bootstrap_runs AS running
            WHERE running.task = ended.task AND command IN ('run', 'up')
              AND finished_at IS NULL AND heartbeat_at >= now() - interval '60 s') AS running_since,
           (SELECT count(*) FROM ended AS bad
            WHERE bad.task = ended.task AND exit_code <> 0
              AND bad.started_at > coalesce(good.started_at, '-infinity'))::int4 AS failures,
           (SELECT count(*) FROM bootstrap_runs AS silent
            WHERE silent.task = ended.task
              AND finished_at IS NULL AND heartbeat_at < now() - interval '60 s'
              AND silent.started_at > coalesce(good.started_at, '-infinity'))::int4 AS lost
    FROM ended LEFT JOIN good USING (task)
    WHERE ended.task = ANY ($1)
    ORDER BY ended.task, ended.started_at DESC";

/// For each task that ran: its last finished run, and the failures since the last success.
async fn read_runs(connection: &mut AsyncPgConnection) -> QueryResult<Vec<BootstrapRun>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        task: String,
        #[diesel(sql_type = Nullable<SmallInt>)]
        exit_code: Option<i16>,
        #[diesel(sql_type = Nullable<diesel::sql_types::Double>)]
        duration_s: Option<f64>,
        #[diesel(sql_type = Timestamptz)]
        ended_at: DateTime<Utc>,
        #[diesel(sql_type = Nullable<Timestamptz>)]
        succeeded_at: Option<DateTime<Utc>>,
        #[diesel(sql_type = Nullable<Timestamptz>)]
        running_since: Option<DateTime<Utc>>,
        #[diesel(sql_type = Integer)]
        failures: i32,
        #[diesel(sql_type = Integer)]
        lost: i32,
    }
    let rows: Vec<Row> = diesel::sql_query(LATEST_RUNS)
        .bind::<Array<Text>, _>(["database-migration", "database-load"].as_slice())
        .load(connection)
        .await?;
    let runs = rows.into_iter().filter_map(|row| {
        Some(BootstrapRun {
            task: row.task,
            succeeded: row.exit_code? == 0,
            duration_s: row.duration_s?,
            ended_at: row.ended_at,
            running_since: row.running_since,
            succeeded_at: row.succeeded_at,
            consecutive_failures: row.failures,
            lost: row.lost,
        })
    });
    Ok(runs.collect())
}
