//! The API keys that may be used, as rows of the snapshot.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use database::schema::{api_keys, users};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shop::{KeyHash, Scope, Scopes};
use uuid::Uuid;

use super::Unusable;

/// The id of an API key: the owner of orders.
pub(crate) type ApiKeyId = Uuid;

/// One API key.
#[derive(Clone, Debug)]
pub(crate) struct KeyRecord {
    pub(crate) id: ApiKeyId,
    pub(crate) scopes: Scopes,
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

/// The keys that are neither retired nor revoked, of active users, by hash. Expiry is looked at
/// when a key is used.
pub(super) async fn read_api_keys(
    connection: &mut AsyncPgConnection,
) -> Result<HashMap<KeyHash, KeyRecord>, Unusable> {
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

/// The ids of the hash keys of the active keys.
pub(super) async fn read_hash_key_ids(connection: &mut AsyncPgConnection) -> QueryResult<BTreeSet<String>> {
    let ids = api_keys::table
        .select(api_keys::hash_key_id)
        .filter(api_keys::active.and(api_keys::revoked_at.is_null()))
        .distinct();
    Ok(ids.load(connection).await?.into_iter().collect())
}
