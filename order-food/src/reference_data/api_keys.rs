//! The API keys that may be used, as rows of the snapshot.

use std::collections::{BTreeSet, HashMap};

use database::rows::{ApiKey, ApiKeyRow, Attempt};
use database::schema::{api_keys, users};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shop::KeyHash;
use uuid::Uuid;

use super::table::{SkippedRows, served};

/// The id of an API key: the owner of orders.
pub(crate) type ApiKeyId = Uuid;

/// The keys that may be used.
#[derive(Debug, Default)]
pub(crate) struct ApiKeys {
    pub(crate) by_hash: HashMap<KeyHash, ApiKey>,
    /// The hash of each key.
    hashes: HashMap<ApiKeyId, KeyHash>,
    /// The ids of the hash keys of the active keys.
    pub(super) hash_key_ids: BTreeSet<String>,
}

impl ApiKeys {
    /// The key with this id.
    pub(crate) fn key(&self, id: ApiKeyId) -> Option<&ApiKey> {
        self.by_hash.get(self.hashes.get(&id)?)
    }
}

/// The keys that are neither retired nor revoked, of active users, by hash. Expiry is looked at
/// when a key is used.
pub(super) async fn read_api_keys(connection: &mut AsyncPgConnection) -> QueryResult<(ApiKeys, SkippedRows)> {
    let rows: Vec<(Uuid, Attempt<ApiKeyRow>)> = api_keys::table
        .inner_join(users::table.on(users::id.eq(api_keys::user_id)))
        .select((api_keys::id, Attempt::<ApiKeyRow>::as_select()))
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
    let (keys, skipped): (Vec<ApiKey>, _) = served(rows);
    let hashes = keys.iter().map(|key| (key.id, key.hash)).collect();
    let by_hash = keys.into_iter().map(|key| (key.hash, key)).collect();
    let hash_key_ids = hash_key_ids.into_iter().collect();
    Ok((
        ApiKeys {
            by_hash,
            hashes,
            hash_key_ids,
        },
        skipped,
    ))
}
