//! Who may occupy a worker's slots: a few deliveries per endpoint, fewer for endpoints that fail.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::endpoints::EndpointId;

/// The permits of one worker. An endpoint that never answers holds its own permits and no others.
pub(super) struct Permits {
    per_endpoint: usize,
    endpoints: Mutex<HashMap<EndpointId, Arc<Endpoint>>>,
    /// Deliveries to endpoints whose last attempt failed, all together.
    failing: Arc<Semaphore>,
}

struct Endpoint {
    permits: Arc<Semaphore>,
    /// When a delivery last ended, or the first began.
    progress: Mutex<Instant>,
}

/// The right to one delivery, until it is dropped.
pub(super) struct Permit {
    endpoint: Arc<Endpoint>,
    _held: OwnedSemaphorePermit,
}

/// A delivery waits so long for those before it, when they come along.
const SHORT_WAIT: Duration = Duration::from_millis(250);
/// Without an end of a delivery for so long, waiting is in vain.
const STALLED: Duration = Duration::from_secs(1);

impl Permits {
    /// At most `per_endpoint` deliveries to one endpoint at a time, and `failing` to all failing
    /// ones together; each at least 1.
    pub(super) fn new(per_endpoint: usize, failing: usize) -> Permits {
        Permits {
            per_endpoint: per_endpoint.max(1),
            endpoints: Mutex::default(),
            failing: Arc::new(Semaphore::new(failing.max(1))),
        }
    }

    /// A permit, at once or within 250 ms; `None` when the deliveries before this one hang.
    pub(super) async fn acquire(&self, id: EndpointId) -> Option<Permit> {
        let endpoint = self.endpoint(id);
        let permits = endpoint.permits.clone();
        let held = match permits.clone().try_acquire_owned() {
            Ok(held) => held,
            Err(_) if endpoint.is_stalled() => return None,
            Err(_) => timeout(SHORT_WAIT, permits.acquire_owned()).await.ok()?.ok()?,
        };
        Some(Permit {
            endpoint,
            _held: held,
        })
    }

    /// The right to occupy a slot with an endpoint that fails.
    pub(super) fn acquire_failing(&self) -> Option<OwnedSemaphorePermit> {
        self.failing.clone().try_acquire_owned().ok()
    }

    fn endpoint(&self, id: EndpointId) -> Arc<Endpoint> {
        let mut endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = endpoints.get(&id) {
            return known.clone();
        }
        // Unused ones are made anew when needed.
        endpoints.retain(|_, endpoint| Arc::strong_count(endpoint) > 1);
        let endpoint = Arc::new(Endpoint {
            permits: Arc::new(Semaphore::new(self.per_endpoint)),
            progress: Mutex::new(Instant::now()),
        });
        endpoints.insert(id, endpoint.clone());
        endpoint
    }
}

impl Endpoint {
    fn is_stalled(&self) -> bool {
        self.progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .elapsed()
            > STALLED
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut progress = self
            .endpoint
            .progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *progress = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: EndpointId = EndpointId::from_u128(1);
    const OTHER: EndpointId = EndpointId::from_u128(2);

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_that_hangs_holds_its_own_permits_only() {
        let permits = Permits::new(2, 1);
        let _held = [permits.acquire(ONE).await, permits.acquire(ONE).await].map(Option::unwrap);

        let began = Instant::now();
        assert!(permits.acquire(ONE).await.is_none());
        assert_eq!(began.elapsed(), SHORT_WAIT);
        tokio::time::advance(STALLED).await;
        let began = Instant::now();
        assert!(permits.acquire(ONE).await.is_none());
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert!(permits.acquire(OTHER).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_delivery_waits_for_those_before_it_while_they_come_along() {
        let permits = Arc::new(Permits::new(1, 1));
        let first = permits.acquire(ONE).await.unwrap();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            drop(first);
        });

        assert!(permits.acquire(ONE).await.is_some());
    }

    #[tokio::test]
    async fn failing_endpoints_share_what_they_may_occupy() {
        let permits = Permits::new(10, 2);
        let held = [permits.acquire_failing(), permits.acquire_failing()];

        assert!(permits.acquire_failing().is_none());
        drop(held);
        assert!(permits.acquire_failing().is_some());
    }

    #[tokio::test]
    async fn endpoints_that_are_not_used_are_forgotten() {
        let permits = Permits::new(1, 1);
        for number in 0..100 {
            drop(permits.acquire(EndpointId::from_u128(number)).await);
        }

        assert_eq!(permits.endpoints.lock().unwrap().len(), 1);
    }
}
