//! The outcome of storing an order, and the place for orders that the benchmarks substitute.

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::Unredeemable;

/// A place for orders instead of the writer, for the servers of the benchmarks.
#[cfg(feature = "bench")]
pub trait OrderStore: Send + Sync {
    /// Stores the order.
    ///
    /// # Errors
    /// [`NotStored`], by the deadline.
    fn store(
        &self,
        new: super::NewOrder,
        deadline: tokio::time::Instant,
    ) -> futures_util::future::LocalBoxFuture<'_, Result<Stored, NotStored>>;
}

/// An order is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// The order that was given.
    Now,
    /// Not this one: an earlier request with the same Idempotency-Key and body was stored, and this was its answer.
    Earlier(Bytes),
}

/// What stood in the way. Shared: one statement carries many orders.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// Why an order was not stored.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotStored {
    /// The coupon is not good for it.
    #[error(transparent)]
    Unredeemable(#[from] Unredeemable),
    /// An order with the same Idempotency-Key is under way.
    #[error("a request with this Idempotency-Key is still under way")]
    KeyInUse,
    /// The Idempotency-Key belongs to an order that was placed with another body.
    #[error("this Idempotency-Key was used for another request")]
    KeyReused,
    /// It is certain that the order is not stored; it may be tried again.
    #[error("the order could not be stored")]
    Unavailable(#[source] Cause),
    /// The answer to COMMIT was lost, and it could not be asked again in time: the order may be stored.
    #[error("whether order {id} was stored is not known")]
    Unknown {
        /// The id that it has if it was.
        id: Uuid,
        /// What the last attempt met.
        #[source]
        cause: Cause,
    },
    /// The database refuses the order's data: our mistake.
    #[error("the database refuses the order")]
    Refused(#[source] Cause),
}
