//! Stores orders through the writer, and resolves repeated requests and outcomes in doubt.

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use database::pool::Pool;
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use tokio::time::Instant;
use uuid::Uuid;

use super::answer::OrderAnswer;
use super::idempotency::{InFlightKeys, Remembered, remembered};
use super::writer::{Writer, Written};
use super::{IdempotencyClaim, NewOrder, Unredeemable, queries};
use crate::spans;

/// Where orders are stored.
pub(crate) struct OrderStore {
    pub(crate) writer: Writer,
    in_flight: InFlightKeys,
    /// For the look-ups of repeated requests.
    pool: Pool,
    /// Whether answers are stored with their keys; else they are made anew from the order.
    pub(crate) keeps_answers: bool,
    /// Takes the orders instead of the writer.
    #[cfg(feature = "bench")]
    pub(crate) substitute: Option<Arc<dyn Substitute>>,
}

/// A place for orders instead of the writer, for the servers of the benchmarks.
#[cfg(feature = "bench")]
pub trait Substitute: Send + Sync {
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
    /// Not this one: an earlier request with the same Idempotency-Key and body was stored, and this
    /// was its answer.
    Replayed(Bytes),
}

/// What stood in the way. Shared: one statement carries many orders.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// Why an order was not stored.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotStored {
    /// The coupon is not good for it.
    #[error(transparent)]
    Unredeemable(#[from] Unredeemable),
    /// An order with the same Idempotency-Key is in progress.
    #[error("a request with this Idempotency-Key is still in progress")]
    KeyInUse,
    /// The Idempotency-Key belongs to an order that was placed with another body.
    #[error("this Idempotency-Key was used for another request")]
    KeyReused,
    /// It is certain that the order is not stored; it may be tried again.
    #[error("the order could not be stored")]
    Unavailable(#[source] Cause),
    /// The answer to COMMIT was lost, and it could not be asked again in time: the order may be
    /// stored.
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

/// A key that was taken has expired in between.
#[derive(Debug, thiserror::Error)]
#[error("the Idempotency-Key has just expired")]
struct KeyExpired;

impl OrderStore {
    /// A store over this writer.
    pub(crate) fn new(writer: Writer, pool: Pool) -> OrderStore {
        OrderStore {
            writer,
            in_flight: InFlightKeys::default(),
            pool,
            keeps_answers: true,
            #[cfg(feature = "bench")]
            substitute: None,
        }
    }

    /// Stores the order with its lines, the use of its promotion and its Idempotency-Key, all or
    /// nothing, and returns after COMMIT.
    ///
    /// # Errors
    /// [`NotStored`], by the deadline.
    pub(crate) async fn store(&self, mut new: NewOrder, deadline: Instant) -> Result<Stored, NotStored> {
        #[cfg(feature = "bench")]
        if let Some(store) = &self.substitute {
            return store.store(new, deadline).await;
        }
        if let (false, Some((_, answer))) = (self.keeps_answers, &mut new.claim) {
            *answer = Bytes::new();
        }
        let id = new.order.id;
        let claim = new.claim.as_ref().map(|(claim, _)| claim.clone());
        let guard = match &claim {
            Some(claim) => Some(self.in_flight.enter(claim).ok_or(NotStored::KeyInUse)?),
            None => None,
        };
        let waiter = self.writer.enqueue(new, deadline, guard)?;
        let (written, in_doubt) = spans::database("INSERT orders", waiter.outcome()).await?;
        let doubtful = |problem: NotStored| match problem {
            NotStored::Unavailable(cause) if in_doubt => NotStored::Unknown { id, cause },
            problem => problem,
        };
        let refusal = match written {
            Written::Stored => return Ok(Stored::Now),
            Written::Unredeemable(reason) => reason.into(),
            Written::KeyTaken => doubtful(NotStored::Unavailable(Arc::new(KeyExpired))),
        };
        // An earlier attempt, or another request with the same key, may have come first.
        if let Some(claim) = claim {
            let earlier = self.stored_answer(&claim, deadline).await.map_err(doubtful)?;
            earlier.map_or(Err(refusal), |earlier| earlier.answer_to(&claim, id))
        } else if in_doubt && self.is_stored(id, deadline).await.map_err(doubtful)? {
            Ok(Stored::Now)
        } else {
            Err(refusal)
        }
    }

    /// The answer to an earlier request with this claim, if one was stored.
    ///
    /// # Errors
    /// [`NotStored`], by the deadline.
    pub(crate) async fn find_replay(
        &self,
        claim: &IdempotencyClaim,
        deadline: Instant,
    ) -> Result<Option<Bytes>, NotStored> {
        if self.in_flight.has(claim) {
            return Err(NotStored::KeyInUse);
        }
        match self.stored_answer(claim, deadline).await? {
            Some(earlier) if earlier.request_hash == claim.request_hash => Ok(Some(earlier.response)),
            Some(_) => Err(NotStored::KeyReused),
            None => Ok(None),
        }
    }

    /// The order that was stored under the claim's key, with whatever body, and whether the body
    /// was the claim's.
    ///
    /// # Errors
    /// [`NotStored::KeyInUse`] while it is in progress here, [`NotStored::Unavailable`] when the
    /// database does not answer by the deadline.
    pub(crate) async fn order_of(
        &self,
        claim: &IdempotencyClaim,
        deadline: Instant,
    ) -> Result<Option<(Uuid, bool)>, NotStored> {
        if self.in_flight.has(claim) {
            return Err(NotStored::KeyInUse);
        }
        let earlier = self.stored_answer(claim, deadline).await?;
        Ok(earlier.map(|earlier| (earlier.order, earlier.request_hash == claim.request_hash)))
    }

    /// The answer stored under the key of the claim.
    async fn stored_answer(
        &self,
        claim: &IdempotencyClaim,
        deadline: Instant,
    ) -> Result<Option<Remembered>, NotStored> {
        let read = async |connection: &mut AsyncPgConnection| {
            let found = spans::database("SELECT idempotency_keys", remembered(connection, claim)).await?;
            match found {
                Some(earlier) if earlier.response.is_empty() => {
                    let answered = with_answer(connection, earlier);
                    spans::database("SELECT orders", answered).await.map(Some)
                }
                found => Ok(found),
            }
        };
        self.read(deadline, read).await
    }

    async fn is_stored(&self, id: Uuid, deadline: Instant) -> Result<bool, NotStored> {
        let read = async |connection: &mut AsyncPgConnection| {
            spans::database("SELECT orders", queries::is_stored(connection, id)).await
        };
        self.read(deadline, read).await
    }

    /// On the heap: few orders need it, and the future of every order stays small.
    async fn read<T>(
        &self,
        deadline: Instant,
        query: impl AsyncFn(&mut AsyncPgConnection) -> QueryResult<T>,
    ) -> Result<T, NotStored> {
        let read = Box::pin(self.pool.read(deadline - Instant::now(), query)).await;
        read.map_err(|error| NotStored::Unavailable(Arc::new(error)))
    }
}

/// The same with the answer of its order, which was stored without one: the bytes are those of the
/// first time, since an order never changes.
async fn with_answer(connection: &mut AsyncPgConnection, earlier: Remembered) -> QueryResult<Remembered> {
    let mut orders = queries::orders_of(connection, &[earlier.order]).await?;
    let order = orders.pop().ok_or(diesel::result::Error::NotFound)?;
    let answer = serde_json::to_vec(&OrderAnswer::of(&order));
    let answer = answer.map_err(|error| diesel::result::Error::SerializationError(Box::new(error)))?;
    Ok(Remembered {
        response: answer.into(),
        ..earlier
    })
}

impl Remembered {
    /// What a request is told that comes after this one under the same key.
    fn answer_to(self, claim: &IdempotencyClaim, order: Uuid) -> Result<Stored, NotStored> {
        if self.order == order {
            Ok(Stored::Now)
        } else if self.request_hash == claim.request_hash {
            Ok(Stored::Replayed(self.response))
        } else {
            Err(NotStored::KeyReused)
        }
    }
}
