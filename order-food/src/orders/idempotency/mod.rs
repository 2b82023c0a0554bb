//! Idempotency-Key: the same request, sent again, is the same order.
//!
//! The statement that stores the order (`writer/statement`) claims its key; the answer is
//! remembered for [24 hours](LIFETIME_HOURS). `in_flight`: the keys in progress in this process;
//! `queries`: the stored keys; `expiry`: the removal of expired ones.

pub(crate) mod expiry;
mod in_flight;
mod queries;

use std::sync::Arc;

use actix_web::http::header::{HeaderMap, HeaderName};
use sha2::{Digest, Sha256};

use crate::http::ApiError;
use crate::reference_data::ApiKeyId;

pub(crate) use expiry::sweep;
pub(super) use in_flight::{InFlightKeys, KeyGuard};
pub(super) use queries::{Remembered, remembered};

/// Hours during which an answer is remembered.
pub(super) const LIFETIME_HOURS: u8 = 24;

/// The header `Idempotency-Key` as the client sent it: 1 to 255 printable ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey(Arc<str>);

/// The key of a request, scoped to its API key, and the hash of its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyClaim {
    /// Keys of different API keys never meet.
    pub api_key: ApiKeyId,
    /// The key.
    pub key: IdempotencyKey,
    /// SHA-256 of the raw request body.
    pub request_hash: [u8; 32],
}

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
const LONGEST: usize = 255;

impl IdempotencyKey {
    /// The key of a request; `None` when it carries none.
    ///
    /// # Errors
    /// 400 when it is empty, longer than 255 bytes, not printable ASCII, or sent twice with
    /// different values.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, ApiError> {
        let refuse = |problem| Err(ApiError::malformed("invalid_idempotency_key", problem));
        let mut sent = headers.get_all(&HEADER);
        let Some(value) = sent.next() else { return Ok(None) };
        if sent.any(|other| other != value) {
            return refuse("the header Idempotency-Key is sent more than once");
        }
        // Visible characters and blanks only: what `to_str` takes, but for tabs.
        match value.to_str() {
            Ok(key) if (1..=LONGEST).contains(&key.len()) && !key.contains('\t') => {
                Ok(Some(IdempotencyKey(key.into())))
            }
            _ => refuse("the header Idempotency-Key holds 1 to 255 printable ASCII characters"),
        }
    }

    /// The key of an order that a page placed.
    pub(crate) fn made(key: &str) -> IdempotencyKey {
        IdempotencyKey(key.into())
    }

    /// The key as it was sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl IdempotencyClaim {
    /// The claim of a request with this body.
    pub(crate) fn new(api_key: ApiKeyId, key: IdempotencyKey, body: &[u8]) -> IdempotencyClaim {
        IdempotencyClaim {
            api_key,
            key,
            request_hash: Sha256::digest(body).into(),
        }
    }
}
