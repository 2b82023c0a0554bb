//! What only the database can say about valid data.

use std::collections::HashMap;

use process::failure::{ExitCode, Failure};
use tokio_postgres::Client;
use uuid::Uuid;

use super::failure;
use crate::datasets::{Data, DatasetKind};
use crate::formats::Findings;
use crate::profile::Profile;

/// Refuses keys that are stored under another id already.
pub(super) async fn stored_keys(client: &Client, profile: &str, data: &Data) -> Result<(), Failure> {
    if data.api_keys.is_empty() {
        return Ok(());
    }
    let hashes: Vec<&[u8]> = data
        .api_keys
        .iter()
        .flat_map(|key| &key.hashes)
        .map(|hash| hash.0.as_slice())
        .collect();
    let query = "SELECT id::text, key_hash FROM api_keys WHERE key_hash = ANY ($1)";
    let stored = client
        .query(query, &[&hashes])
        .await
        .map_err(failure::database("look for the API keys"))?;
    let mut findings = Findings::default();
    for row in stored {
        let (id, hash): (String, Vec<u8>) = (row.get(0), row.get(1));
        let Ok(id) = Uuid::try_parse(&id) else { continue };
        let owner = data
            .api_keys
            .iter()
            .find(|key| key.hashes.iter().any(|own| own.0.as_slice() == hash));
        if let Some(key) = owner.filter(|key| key.row.id != id) {
            findings.add(key.moved(id));
        }
    }
    if findings.is_empty() {
        Ok(())
    } else {
        Err(super::read::invalid(profile, findings))
    }
}

const REVOKED: &str = "
    SELECT key, api_keys.id::text
    FROM dataset_rows JOIN api_keys ON key_hash = decode(row ->> 'key_hash', 'hex') AND key <> api_keys.id::text
    WHERE version = $1 AND dataset = 'api_keys' AND revoked_at IS NOT NULL
    LIMIT 1";

/// Refuses to bring back a version in which a key that was revoked since had another id, under
/// which it is not revoked.
pub(crate) async fn revoked_keys(client: &Client, version: i64) -> Result<(), Failure> {
    let found = client.query_opt(REVOKED, &[&version]).await;
    let Some(row) = found.map_err(failure::database("look for revoked API keys"))? else {
        return Ok(());
    };
    let (id, revoked): (String, String) = (row.get(0), row.get(1));
    let message = format!(
        "version {version} has the API key {id}, which was revoked as {revoked} since; nothing was changed; revoke {id} too, \
         or load data without it"
    );
    Err(Failure::new(ExitCode::InvalidData, message))
}

/// A version's counts are those of its datasets, and of the keys that come with its users.
const ACTIVE: &str = "
    WITH active_data AS (
        SELECT DISTINCT ON (dataset) dataset, row_counts
        FROM dataset_versions, unnest(datasets) AS dataset
        WHERE state = 'active'
        ORDER BY dataset, activated_at DESC
    )
    SELECT counts.key, counts.value::bigint
    FROM active_data, jsonb_each_text(row_counts) AS counts
    WHERE counts.key = dataset OR (dataset = 'users' AND counts.key = 'api_keys')";

/// Refuses to take more than a fifth of the rows away from what the profile brings, and to bring
/// nothing where it names sources, unless `force`. Sample orders are never taken away.
pub(super) async fn shrinking(
    client: &Client,
    profile: &Profile,
    data: &Data,
    force: bool,
) -> Result<(), Failure> {
    if force {
        return Ok(());
    }
    let counts = client
        .query(ACTIVE, &[])
        .await
        .map_err(failure::database("count the active rows"))?;
    let active_data: HashMap<String, i64> = counts.iter().map(|row| (row.get(0), row.get(1))).collect();
    let names_keys = profile
        .operation(DatasetKind::Users)
        .is_some_and(|users| !users.api_keys.is_empty());
    let shrinkable = profile
        .datasets()
        .into_iter()
        .filter(|kind| !kind.is_append_only());
    for (name, now) in shrinkable.flat_map(|kind| (kind.dataset().counts)(data)) {
        let before = active_data.get(name).copied().unwrap_or_default();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let reason = if now.saturating_mul(5) < before.saturating_mul(4) {
            format!("{name} would shrink from {before} to {now} rows, by more than 20 %")
        } else if now == 0 && (name != "api_keys" || names_keys) {
            format!("{name} would be empty")
        } else {
            continue;
        };
        let message = format!(
            "profile {}: {reason}; nothing was changed; --force does it",
            profile.name
        );
        return Err(Failure::new(ExitCode::InvalidData, message));
    }
    Ok(())
}
