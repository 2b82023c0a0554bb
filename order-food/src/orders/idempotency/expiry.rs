//! Removes expired Idempotency-Keys.

use std::time::Duration;

use database::pool::Pool;
use diesel::QueryResult;
use diesel::sql_types::BigInt;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use tracing::{debug, warn};

use crate::pieces;

/// Rows removed by one statement: few enough to hold no lock for long.
const PIECE: i64 = 5_000;
/// How long one piece may take.
const LIMIT: Duration = Duration::from_secs(5);

const DELETE_EXPIRED: &str = "
    DELETE FROM idempotency_keys
    WHERE (api_key_id, key) IN (
        SELECT api_key_id, key FROM idempotency_keys
        WHERE expires_at <= now()
        ORDER BY expires_at
        LIMIT $1
        FOR UPDATE SKIP LOCKED
    )";

/// Removes expired keys, at once and then every `interval`, until it is dropped: small pieces, one
/// after the other, without conflicts between processes. An expired key counts as absent, removed
/// or not, so only space depends on this.
pub(crate) async fn sweep(pool: Pool, interval: Duration) {
    loop {
        match pieces::remove_all(|| pool.read(LIMIT, remove_piece)).await {
            Ok(0) => {}
            Ok(removed) => debug!(removed, "expired idempotency keys removed"),
            Err(error) => warn!(
                error = process::failure::line(&error),
                "expired idempotency keys could not be removed"
            ),
        }
        tokio::time::sleep(interval).await;
    }
}

/// Removes at most [`PIECE`] expired keys; returns how many.
pub(crate) async fn remove_piece(connection: &mut AsyncPgConnection) -> QueryResult<usize> {
    diesel::sql_query(DELETE_EXPIRED)
        .bind::<BigInt, _>(PIECE)
        .execute(connection)
        .await
}
