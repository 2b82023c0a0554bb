//! The time of the database, the version of its schema, and those of the active data.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::dsl::sql;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

/// For each dataset the version that it shows, and when that was published.
pub(super) type ActiveVersions = HashMap<String, (i64, DateTime<Utc>)>;

pub(super) const LEDGER: &str = "__diesel_schema_migrations";

const HAS_LEDGER: &str = "SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL";
const NEWEST: &str = "
    SELECT max(version::integer) FILTER (WHERE version ~ '^[0-9]{1,9}$')
    FROM __diesel_schema_migrations";

/// The newest applied migration; 0 without any. Versions that are not numbers of ours are those of
/// other tools.
pub(super) async fn newest_migration(connection: &mut AsyncPgConnection) -> QueryResult<i32> {
    let has_ledger: bool = sql::<Bool>(HAS_LEDGER).get_result(connection).await?;
    let newest: Option<i32> = match has_ledger {
        true => sql::<Nullable<Integer>>(NEWEST).get_result(connection).await?,
        false => None,
    };
    Ok(newest.unwrap_or(0))
}

/// The time now, not that of now(), which is when the transaction began.
pub(super) async fn clock(connection: &mut AsyncPgConnection) -> QueryResult<DateTime<Utc>> {
    diesel::select(sql::<Timestamptz>("clock_timestamp()"))
        .get_result(connection)
        .await
}

const ACTIVE_VERSIONS: &str = "
    SELECT DISTINCT ON (dataset) dataset, version, activated_at
    FROM dataset_versions, unnest(datasets) AS dataset
    WHERE state = 'active'
    ORDER BY dataset, activated_at DESC, version DESC";

/// For each dataset the version that it shows: the latest activated among the profiles that bring
/// it.
pub(super) async fn active_versions(connection: &mut AsyncPgConnection) -> QueryResult<ActiveVersions> {
    let rows: Vec<(String, i64, DateTime<Utc>)> = sql::<(Text, BigInt, Timestamptz)>(ACTIVE_VERSIONS)
        .load(connection)
        .await?;
    let versions = rows
        .into_iter()
        .map(|(dataset, version, at)| (dataset, (version, at)));
    Ok(versions.collect())
}
