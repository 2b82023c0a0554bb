use std::time::Duration;

use database::pool::{Pool, ReadError};
use database::schema::coupon_codes;
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use shop::CouponCode;

use crate::spans;

/// Whether the code stands in the table under `version`: one cached statement on the primary key, in `limit` at most.
pub(super) async fn is_stored(
    pool: &Pool,
    version: i64,
    code: &CouponCode,
    limit: Duration,
) -> Result<bool, ReadError> {
    pool.read(limit, async |connection| {
        let row = coupon_codes::table.find((version, code.as_str()));
        spans::database(
            "SELECT coupon_codes",
            diesel::select(exists(row)).get_result(connection),
        )
        .await
    })
    .await
}
