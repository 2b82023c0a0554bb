//! Authentication by API key, and the scopes of the key.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, HeaderName};
use database::rows::ApiKey;
use shop::{HashKeys, KeyHash, Scope, Scopes};

use crate::http::ApiError;
use crate::rate_limit::Limits;
use crate::reference_data::{ApiKeyId, Snapshot, SnapshotHandle};

/// A caller with a key that has the scope.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The state of the data in which the key was found: the request's from here on.
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) key: ApiKeyId,
    pub(crate) hash: KeyHash,
    pub(crate) scopes: Scopes,
}

static HEADERS: [HeaderName; 2] = [
    HeaderName::from_static("api_key"),
    HeaderName::from_static("x-api-key"),
];

/// Looks up API keys and applies their rate limit. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Authenticator {
    pub(crate) snapshots: SnapshotHandle,
    pub(crate) hash_keys: HashKeys,
    pub(crate) limits: Arc<Limits>,
    /// Age of keys that cannot be read from which on none is believed.
    pub(crate) keys_max_age: Duration,
}

impl Authenticator {
    /// The caller of `request`, with a key that has at least one of `scopes`.
    ///
    /// # Errors
    /// 401 without a usable key; 403 for an unknown, expired or revoked one or one without the
    /// scope; 429 beyond the limit of the key or of the address; 503 before any data, and when the
    /// keys are stale.
    pub(crate) fn authorize(&self, request: &HttpRequest, scopes: &[Scope]) -> Result<Caller, ApiError> {
        let key = sent_key(request.headers())?;
        let snapshot = self.snapshots.get().ok_or(ApiError::Unavailable)?;
        if snapshot.has_stale_keys(self.keys_max_age) {
            return Err(ApiError::KeysStale);
        }
        let record = self
            .find(&snapshot, key)
            .ok_or(ApiError::Forbidden("the API key is not valid"))?;
        if !scopes.iter().any(|scope| record.scopes.contains(*scope)) {
            return Err(ApiError::Forbidden("the API key may not do this"));
        }
        self.limits.admit_key(request, record.id)?;
        let (key, hash, scopes) = (record.id, record.hash, record.scopes);
        Ok(Caller {
            snapshot,
            key,
            hash,
            scopes,
        })
    }

    /// The usable key with this text.
    pub(crate) fn find<'a>(&self, snapshot: &'a Snapshot, text: &[u8]) -> Option<&'a ApiKey> {
        let record = self
            .hash_keys
            .iter()
            .find_map(|hash_key| snapshot.api_keys.by_hash.get(&hash_key.hash(text)))?;
        is_unexpired(snapshot, record).then_some(record)
    }

    /// Whether a key that was authorized may still be used, with at least one of `scopes`; for
    /// requests that last longer than a moment.
    pub(crate) fn still_allows(&self, hash: &KeyHash, scopes: &[Scope]) -> bool {
        let allows = self.snapshots.read(|snapshot| {
            let record = snapshot.api_keys.by_hash.get(hash);
            let record = record.filter(|record| is_unexpired(snapshot, record));
            let allowed = |record: &ApiKey| scopes.iter().any(|scope| record.scopes.contains(*scope));
            !snapshot.has_stale_keys(self.keys_max_age) && record.is_some_and(allowed)
        });
        allows.unwrap_or(false)
    }
}

/// The key in `api_key` or its equal `X-API-Key`; sent more than once, it must be the same.
fn sent_key(headers: &HeaderMap) -> Result<&[u8], ApiError> {
    let mut sent = HEADERS
        .iter()
        .flat_map(|name| headers.get_all(name))
        .map(|value| value.as_bytes());
    let key = sent.next().filter(|key| !key.is_empty());
    let key = key.ok_or(ApiError::Unauthenticated("send an API key in the header api_key"))?;
    if sent.any(|other| other != key) {
        return Err(ApiError::Unauthenticated(
            "the headers api_key and X-API-Key differ",
        ));
    }
    Ok(key)
}

/// Whether a key may be used yet.
pub(crate) fn is_unexpired(snapshot: &Snapshot, record: &ApiKey) -> bool {
    record.expires_at.is_none_or(|expiry| snapshot.now() < expiry)
}
