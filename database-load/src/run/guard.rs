//! What only the database can say about valid data.

use process::exit::{ExitCode, Failure};
use tokio_postgres::Client;
use uuid::Uuid;

use super::failure;
use crate::profile::{Dataset, Profile};
use crate::read::{self, Data};
use crate::table::Findings;

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
        if let Some(key) = owner.filter(|key| key.id != id) {
            findings.add(key.moved(id));
        }
    }
    if findings.is_empty() {
        Ok(())
    } else {
        Err(read::invalid(profile, findings))
    }
}

const IN_FORCE: &str = "
    SELECT DISTINCT ON (dataset) dataset, (row_counts ->> dataset)::bigint
    FROM dataset_versions, unnest(datasets) AS dataset
    WHERE state = 'active'
    ORDER BY dataset, activated_at DESC";

/// Refuses to take more than a fifth of a dataset's rows away, unless `force`. Sample orders are never taken away.
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
        .query(IN_FORCE, &[])
        .await
        .map_err(failure::database("count the rows in force"))?;
    for row in counts {
        let (name, before): (String, Option<i64>) = (row.get(0), row.get(1));
        let ours = profile
            .datasets()
            .into_iter()
            .find(|dataset| dataset.name() == name);
        let (Some(dataset), Some(before)) = (ours.filter(|dataset| *dataset != Dataset::Orders), before)
        else {
            continue;
        };
        let now = i64::try_from(data.count(dataset)).unwrap_or(i64::MAX);
        if now.saturating_mul(5) < before.saturating_mul(4) {
            let message = format!(
                "profile {}: {dataset} would shrink from {before} to {now} rows, by more than 20 %; \
                 nothing was changed; --force does it",
                profile.name
            );
            return Err(Failure::new(ExitCode::InvalidData, message));
        }
    }
    Ok(())
}
