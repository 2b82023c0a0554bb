//! Coupon codes have a table of their own, and may be many: both sides are read one by one, in the
//! order of their bytes.

use std::cmp::Ordering;
use std::pin::pin;

use futures_util::TryStreamExt as _;
use process::failure::Failure;
use tokio_postgres::Client;

use super::{Difference, Row};
use crate::datasets::CouponCodes;
use crate::datasets::DatasetKind;
use crate::load::failure;

const ACTIVE: &str = "
    SELECT version FROM dataset_versions
    WHERE state = 'active' AND 'coupon_codes' = ANY (datasets)
    ORDER BY activated_at DESC LIMIT 1";

const CODES: &str = "SELECT code FROM coupon_codes WHERE version = $1 ORDER BY code";

/// Compares the active codes with those that should be.
pub(crate) async fn compare(client: &Client, wanted: &CouponCodes) -> Result<Difference, Failure> {
    let doing = || failure::database("compare coupon codes");
    let mut difference = Difference::of(DatasetKind::CouponCodes.name());
    let mut wanted = wanted.iter().peekable();
    if let Some(active_data) = client.query_opt(ACTIVE, &[]).await.map_err(doing())? {
        let version: i64 = active_data.get(0);
        let mut stored = pin!(client.query_raw(CODES, [version]).await.map_err(doing())?);
        while let Some(row) = stored.try_next().await.map_err(doing())? {
            let code: &str = row.get(0);
            while let Some(missing) = wanted.next_if(|wanted| wanted.as_str() < code) {
                difference.missing.add(named(missing.as_str()));
            }
            let next = wanted.peek().map(|wanted| wanted.as_str().cmp(code));
            if next == Some(Ordering::Equal) {
                wanted.next();
            } else {
                difference.extra.add(named(code));
            }
        }
    }
    wanted.for_each(|code| difference.missing.add(named(code.as_str())));
    Ok(difference)
}

fn named(code: &str) -> Row {
    Row {
        key: code.to_owned(),
        columns: Vec::new(),
    }
}
