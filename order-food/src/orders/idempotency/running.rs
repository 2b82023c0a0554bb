//! The Idempotency-Keys of orders in progress in this process.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Claim, IdempotencyKey};
use crate::reference_data::ApiKeyId;

/// The keys whose orders are under way in this process. Cheap to clone.
///
/// What another process has under way is found by the database: its row makes ours wait, and then conflict.
#[derive(Clone, Debug, Default)]
pub(in crate::orders) struct Running(Arc<Mutex<HashSet<(ApiKeyId, IdempotencyKey)>>>);

/// The right to place the order of one key; others are refused until it is dropped.
#[derive(Debug)]
pub(in crate::orders) struct Turn {
    running: Running,
    key: (ApiKeyId, IdempotencyKey),
}

impl Running {
    /// The turn for this claim's key; `None` while somebody has it.
    pub(in crate::orders) fn enter(&self, claim: &Claim) -> Option<Turn> {
        let key = (claim.api_key, claim.key.clone());
        self.with(|keys| keys.insert(key.clone())).then(|| Turn {
            running: self.clone(),
            key,
        })
    }

    /// Whether somebody has the turn for this claim's key.
    pub(in crate::orders) fn has(&self, claim: &Claim) -> bool {
        self.with(|keys| keys.contains(&(claim.api_key, claim.key.clone())))
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashSet<(ApiKeyId, IdempotencyKey)>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Turn { running, key } = self;
        running.with(|keys| keys.remove(key));
    }
}
