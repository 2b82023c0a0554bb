//! Reads of stored Idempotency-Keys.

use bytes::Bytes;
use database::schema::idempotency_keys;
use diesel::dsl::now;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::IdempotencyClaim;

/// The order that was stored under a key.
#[derive(Debug)]
pub(in crate::orders) struct Remembered {
    pub(in crate::orders) order: Uuid,
    /// SHA-256 of the body it came with.
    pub(in crate::orders) request_hash: Vec<u8>,
    /// The bytes of its answer.
    pub(in crate::orders) response: Bytes,
}

/// What is remembered under the claim's key; `None` also once it has expired, deleted or not.
pub(in crate::orders) async fn remembered(
    connection: &mut AsyncPgConnection,
    claim: &IdempotencyClaim,
) -> QueryResult<Option<Remembered>> {
    use idempotency_keys::{expires_at, order_id, request_hash, response};
    let row: Option<(Uuid, Vec<u8>, Vec<u8>)> = idempotency_keys::table
        .find((claim.api_key, claim.key.as_str()))
        .filter(expires_at.gt(now))
        .select((order_id, request_hash, response))
        .first(connection)
        .await
        .optional()?;
    Ok(row.map(|(order, hash, answer)| Remembered {
        order,
        request_hash: hash,
        response: answer.into(),
    }))
}
