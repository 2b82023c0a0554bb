//! The API keys that may be used, as rows of the snapshot.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use database::schema::{api_keys, users};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Array, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shop::{KeyHash, Scope, Scopes};
use uuid::Uuid;

use super::table::{Column, SkippedRows, readable};

/// The id of an API key: the owner of orders.
pub(crate) type ApiKeyId = Uuid;

/// One API key.
#[derive(Clone, Debug)]
pub(crate) struct KeyRecord {
    pub(crate) id: ApiKeyId,
    pub(crate) scopes: Scopes,
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

/// The keys that may be used.
#[derive(Debug)]
pub(crate) struct ApiKeys {
    pub(crate) by_hash: HashMap<KeyHash, KeyRecord>,
    /// The ids of the hash keys of the active keys.
    pub(super) hash_key_ids: BTreeSet<String>,
}

type Row = (
    Uuid,
    Vec<u8>,
    Column<Vec<Option<String>>>,
    Option<Column<DateTime<Utc>>>,
);

/// The keys that are neither retired nor revoked, of active users, by hash. Expiry is looked at
/// when a key is used.
pub(super) async fn read_api_keys(connection: &mut AsyncPgConnection) -> QueryResult<(ApiKeys, SkippedRows)> {
    let rows: Vec<Row> = api_keys::table
        .inner_join(users::table.on(users::id.eq(api_keys::user_id)))
        .select((
            api_keys::id,
            api_keys::key_hash,
            sql::<Array<Nullable<Text>>>("api_keys.scopes"),
            api_keys::expires_at,
        ))
        .filter(
            api_keys::active
                .and(users::active)
                .and(api_keys::revoked_at.is_null()),
        )
        .order(api_keys::id)
        .load(connection)
        .await?;
    let hash_key_ids: Vec<String> = api_keys::table
        .select(api_keys::hash_key_id)
        .filter(api_keys::active.and(api_keys::revoked_at.is_null()))
        .distinct()
        .load(connection)
        .await?;
    let key = |row: Row| {
        let id = row.0;
        key(row).map_err(|problem| format!("{id}: {problem}"))
    };
    let (by_hash, skipped) = readable(rows.into_iter().map(key));
    let hash_key_ids = hash_key_ids.into_iter().collect();
    Ok((
        ApiKeys {
            by_hash,
            hash_key_ids,
        },
        skipped,
    ))
}

/// Scopes that this build does not know give no right, and take none of the others.
fn key((id, hash, scopes, expires_at): Row) -> Result<(KeyHash, KeyRecord), String> {
    let hash =
        <[u8; 32]>::try_from(hash).map_err(|hash| format!("key_hash: {} bytes instead of 32", hash.len()))?;
    let scopes = scopes.value("scopes")?.into_iter().flatten();
    let record = KeyRecord {
        id,
        scopes: scopes.filter_map(|scope| Scope::parse(&scope).ok()).collect(),
        expires_at: expires_at.map(|at| at.value("expires_at")).transpose()?,
    };
    Ok((KeyHash(hash), record))
}
