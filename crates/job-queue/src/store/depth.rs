//! How many jobs wait, counted up to a bound.

use diesel::sql_types::{Array, BigInt, SmallInt};
use diesel::{QueryResult, QueryableByName};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::priority::Priority;

/// Stops counting at the bound of each priority: a million waiting jobs cost no more.
const DEPTHS: &str = "
    SELECT bound.priority, (
        SELECT count(*) FROM (
            SELECT 1 FROM job WHERE state = 0 AND job.priority = bound.priority LIMIT bound.most
        ) AS waiting
    ) AS depth
    FROM unnest($1::smallint[], $2::bigint[]) AS bound(priority, most)";

/// Before counts that end at a bound, in their transaction. Without it, the plan for a priority
/// with few jobs, or of statistics older than the rows, reads a whole index or the whole table.
pub(crate) const BY_INDEX: &str =
    "SET LOCAL enable_bitmapscan = off; SET LOCAL enable_seqscan = off; SET LOCAL jit = off";

#[derive(QueryableByName)]
struct Depth {
    #[diesel(sql_type = SmallInt)]
    priority: i16,
    #[diesel(sql_type = BigInt)]
    depth: i64,
}

/// Queued jobs of each priority, in the order of [`Priority::ALL`], at most `bounds`.
pub(crate) async fn depths(connection: &mut AsyncPgConnection, bounds: [u64; 5]) -> QueryResult<[u64; 5]> {
    let bounds: Vec<i64> = bounds
        .into_iter()
        .map(|bound| i64::try_from(bound).unwrap_or(i64::MAX))
        .collect();
    let rows: Vec<Depth> = diesel::sql_query(DEPTHS)
        .bind::<Array<SmallInt>, _>(Priority::ALL.map(Priority::number).to_vec())
        .bind::<Array<BigInt>, _>(bounds)
        .load(connection)
        .await?;
    Ok(Priority::ALL.map(|priority| {
        rows.iter()
            .find(|row| row.priority == priority.number())
            .map_or(0, |row| row.depth.unsigned_abs())
    }))
}
