//! The Idempotency-Keys of orders in progress in this process.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::{IdempotencyClaim, IdempotencyKey};
use crate::reference_data::ApiKeyId;

/// The keys whose orders are in flight in this process. Cheap to clone.
///
/// The database finds the keys of other processes: their row makes ours wait, then conflict.
#[derive(Clone, Debug, Default)]
pub(in crate::orders) struct InFlightKeys(Arc<Mutex<HashSet<(ApiKeyId, IdempotencyKey)>>>);

/// The right to place the order of one key; others are refused until it is dropped.
#[derive(Debug)]
pub(in crate::orders) struct KeyGuard {
    in_flight: InFlightKeys,
    key: (ApiKeyId, IdempotencyKey),
}

impl InFlightKeys {
    /// The guard for this claim's key; `None` while it is taken.
    pub(in crate::orders) fn enter(&self, claim: &IdempotencyClaim) -> Option<KeyGuard> {
        let key = (claim.api_key, claim.key.clone());
        self.with(|keys| keys.insert(key.clone())).then(|| KeyGuard {
            in_flight: self.clone(),
            key,
        })
    }

    /// Whether the key of this claim is taken.
    pub(in crate::orders) fn has(&self, claim: &IdempotencyClaim) -> bool {
        self.with(|keys| keys.contains(&(claim.api_key, claim.key.clone())))
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashSet<(ApiKeyId, IdempotencyKey)>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for KeyGuard {
    fn drop(&mut self) {
        let KeyGuard { in_flight, key } = self;
        in_flight.with(|keys| keys.remove(key));
    }
}
