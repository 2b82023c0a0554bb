//! What goes wrong with a store.

use crate::location::NotALocation;
use crate::s3::NotS3;
use process::tls::NoTls;

/// What went wrong with a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The location makes no sense.
    #[error(transparent)]
    Location(#[from] NotALocation),
    /// The endpoint makes no sense.
    #[error("AWS_ENDPOINT_URL: {0}")]
    Endpoint(&'static str),
    /// A setting that no request can carry.
    #[error(transparent)]
    Settings(#[from] NotS3),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] NoTls),
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be made")]
    Client(#[from] reqwest::Error),
    /// The path of the folder cannot be used.
    #[error("the folder cannot be used")]
    Folder(#[from] std::io::Error),
    /// A request failed.
    #[error("the object store does not answer as it should")]
    Request(#[from] object_store::Error),
}

impl StoreError {
    /// Whether there is no such object.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, StoreError::Request(object_store::Error::NotFound { .. }))
    }
}
