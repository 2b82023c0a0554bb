//! The bulk coupon codes of the active version: in memory when they are few.

use std::collections::HashSet;

use database::schema::coupon_codes;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

/// The bulk codes of the active version.
#[derive(Debug)]
pub(crate) enum CouponCodes {
    /// None were published.
    None,
    /// Few enough for memory.
    InMemory(HashSet<String>),
    /// Looked up in the table under this version.
    InTable(i64),
}

/// Up to this many bulk codes are kept in memory; more are looked up in the table.
const MAX_IN_MEMORY: i64 = 10_000;

/// The codes of the active version, when they are few.
pub(super) async fn read_coupon_codes(
    connection: &mut AsyncPgConnection,
    version: Option<i64>,
) -> QueryResult<CouponCodes> {
    let Some(version) = version else {
        return Ok(CouponCodes::None);
    };
    let codes: Vec<String> = coupon_codes::table
        .select(coupon_codes::code)
        .filter(coupon_codes::version.eq(version))
        .limit(MAX_IN_MEMORY + 1)
        .load(connection)
        .await?;
    let few = i64::try_from(codes.len()).is_ok_and(|count| count <= MAX_IN_MEMORY);
    Ok(if few {
        CouponCodes::InMemory(codes.into_iter().collect())
    } else {
        CouponCodes::InTable(version)
    })
}
