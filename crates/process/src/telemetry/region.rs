//! The region that this process, or the target that it works on, belongs to.

use std::sync::{Arc, PoisonError, RwLock};

static REGION: RwLock<Option<Arc<str>>> = RwLock::new(None);

/// From here on, log lines have `target_region` and first spans `target.region`; an empty text
/// ends that.
pub fn set_region(region: &str) {
    let region = Some(region.trim()).filter(|region| !region.is_empty());
    *REGION.write().unwrap_or_else(PoisonError::into_inner) = region.map(Into::into);
}

pub(super) fn region() -> Option<Arc<str>> {
    REGION.read().unwrap_or_else(PoisonError::into_inner).clone()
}
