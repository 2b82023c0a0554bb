//! What every resource shares: errors as JSON, bodies, representations, CORS, the span and the
//! access line.

pub(crate) mod body;
pub(crate) mod cors;
mod error;
mod json;
mod listen;
pub(crate) mod metrics;
pub(crate) mod observe;
mod origin;
pub(crate) mod resource;

pub(crate) use error::{ApiError, EXAMPLE_REQUEST_ID, ErrorBody};
pub(crate) use json::{to_json, uncached};
pub(crate) use listen::listen;
pub use origin::Origin;
pub(crate) use pages::representation;

/// The largest header section that is served, names and values added up, in bytes.
pub(crate) const MAX_HEADER_BYTES: usize = 8_000;
