//! Whether a coupon code is good for an order, and what it is worth.

mod queries;

use std::time::Duration;

use shop::{CouponCode, Promotion, Refusal};

use crate::snapshot::{CouponCodes, Snapshot};
use database::pool::{Pool, ReadError};

/// A coupon that an order may carry.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Accepted<'a> {
    /// A promotion: it decides the discount.
    Promotion(&'a Promotion),
    /// A bulk code without a promotion: accepted, worth nothing.
    BulkCode,
}

/// Why a coupon is not good for an order.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CouponError {
    #[error("the coupon code is not known")]
    Unknown,
    #[error("the coupon code {0}")]
    Refused(#[from] Refusal),
    #[error("the coupon codes cannot be looked up")]
    Unavailable(#[source] ReadError),
}

/// Decides about `code` for an order of `units` units, in `limit` at most. A code with a promotion is decided by the promotion alone.
pub(crate) async fn check<'a>(
    snapshot: &'a Snapshot,
    pool: &Pool,
    code: &CouponCode,
    units: u32,
    limit: Duration,
) -> Result<Accepted<'a>, CouponError> {
    if let Some(promotion) = snapshot.promotions.get(code.as_str()) {
        promotion.check(snapshot.now(), units)?;
        return Ok(Accepted::Promotion(promotion));
    }
    if !code.is_bulk_length() {
        return Err(CouponError::Unknown);
    }
    let known = match &snapshot.coupon_codes {
        CouponCodes::None => false,
        CouponCodes::Held(codes) => codes.contains(code.as_str()),
        // On the heap: most orders need no look-up in the database, and are not to carry it about.
        CouponCodes::Stored(version) => Box::pin(queries::is_stored(pool, *version, code, limit))
            .await
            .map_err(CouponError::Unavailable)?,
    };
    if known {
        Ok(Accepted::BulkCode)
    } else {
        Err(CouponError::Unknown)
    }
}
