use database::pool::{NoConnection, Pool};
use database::schema::coupon_codes;
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use shop::CouponCode;

/// The table could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookUpError {
    #[error(transparent)]
    Connection(#[from] NoConnection),
    #[error(transparent)]
    Query(#[from] diesel::result::Error),
}

/// Whether the code stands in the table under `version`: one cached statement on the primary key. A connection that died
/// while idle is replaced once.
pub(super) async fn is_stored(pool: &Pool, version: i64, code: &CouponCode) -> Result<bool, LookUpError> {
    match look_up(pool, version, code).await {
        Err(LookUpError::Query(_)) => look_up(pool, version, code).await,
        outcome => outcome,
    }
}

async fn look_up(pool: &Pool, version: i64, code: &CouponCode) -> Result<bool, LookUpError> {
    let row = coupon_codes::table.find((version, code.as_str()));
    Ok(diesel::select(exists(row))
        .get_result(&mut *pool.get().await?)
        .await?)
}
