//! The rules of coupons: whether a code is accepted for an order, and its worth.

use shop::{CouponCode, Promotion, Refusal};

use crate::reference_data::{CouponCodes, Snapshot};

/// A coupon that an order may carry.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Accepted<'a> {
    /// A promotion: it decides the discount.
    Promotion(&'a Promotion),
    /// A bulk code without a promotion: accepted, worth nothing.
    BulkCode,
    /// The same, if it is in the table under this version. The statement that stores the order
    /// looks: no round trip more.
    BulkCodeIfListed(i64),
}

/// Why a coupon is not good for an order.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CouponError {
    #[error("the coupon code is not known")]
    Unknown,
    #[error("the coupon code {0}")]
    Refused(#[from] Refusal),
}

/// Decides about `code` for an order of `units` units. A code with a promotion is decided by the
/// promotion alone.
pub(crate) fn check<'a>(
    snapshot: &'a Snapshot,
    code: &CouponCode,
    units: u32,
) -> Result<Accepted<'a>, CouponError> {
    if let Some(promotion) = snapshot.promotions.get(code.as_str()) {
        promotion.check(snapshot.now(), units)?;
        return Ok(Accepted::Promotion(promotion));
    }
    if !code.is_bulk_length() {
        return Err(CouponError::Unknown);
    }
    match &*snapshot.coupon_codes {
        CouponCodes::InMemory(codes) if codes.contains(code.as_str()) => Ok(Accepted::BulkCode),
        CouponCodes::None | CouponCodes::InMemory(_) => Err(CouponError::Unknown),
        CouponCodes::InTable(version) => Ok(Accepted::BulkCodeIfListed(*version)),
    }
}
