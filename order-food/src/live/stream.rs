//! Server-sent events of one order: its present state, then each change.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use bytes::Bytes;
use futures_util::stream::unfold;
use prometheus::{
    IntCounter, IntGauge, Registry, register_int_counter_with_registry, register_int_gauge_with_registry,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Watch;
use super::change::Change;
use crate::http::ApiError;

/// The streams of this process: how many there may be, and when all of them end. Cheap to clone.
#[derive(Clone)]
pub(crate) struct EventStreams {
    permits: Arc<Semaphore>,
    open: IntGauge,
    refused: IntCounter,
    draining: CancellationToken,
}

/// The place of a stream, given back when it is dropped.
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    open: IntGauge,
}

/// A stream that has not begun.
pub(crate) struct Stream<Allowed, Render> {
    pub(crate) streams: EventStreams,
    /// Held until the end.
    pub(crate) _place: Place,
    pub(crate) watch: Watch,
    pub(crate) present: Change,
    /// The version that the client saw last, from `Last-Event-ID`.
    pub(crate) seen: Option<i32>,
    /// Asked with each heartbeat; the stream ends when it is false.
    pub(crate) allowed: Allowed,
    /// The data of an event: a line.
    pub(crate) render: Render,
}

/// Time without a change after which a comment is sent. A client that has gone is noticed by it.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Clients come back within 1 to 5 s: after a restart not all of them at once.
const RETRY_MS: std::ops::Range<u64> = 1_000..5_000;
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
pub(crate) const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

impl EventStreams {
    /// At most `limit` streams, which end when `draining` is cancelled.
    ///
    /// # Errors
    /// When the registry holds metrics of these names already.
    pub(crate) fn new(
        limit: usize,
        registry: &Registry,
        draining: CancellationToken,
    ) -> prometheus::Result<EventStreams> {
        let open = register_int_gauge_with_registry!(
            "event_streams",
            "Streams of server-sent events that are open",
            registry
        )?;
        let refused = register_int_counter_with_registry!(
            "event_streams_refused_total",
            "Streams refused because EVENT_STREAMS were open",
            registry
        )?;
        Ok(EventStreams {
            permits: Arc::new(Semaphore::new(limit)),
            open,
            refused,
            draining,
        })
    }

    /// Cancelled when streams end because the process is about to stop.
    pub(crate) fn draining(&self) -> CancellationToken {
        self.draining.clone()
    }

    /// A place for a stream.
    ///
    /// # Errors
    /// 503 when as many are open as there may be.
    pub(crate) fn place(&self) -> Result<Place, ApiError> {
        let permit = self.permits.clone().try_acquire_owned().map_err(|_| {
            self.refused.inc();
            ApiError::TooManyStreams
        })?;
        self.open.inc();
        Ok(Place {
            _permit: permit,
            open: self.open.clone(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.dec();
    }
}

impl<Allowed, Render> Stream<Allowed, Render>
where
    Allowed: Fn() -> bool + 'static,
    Render: Fn(&Change) -> String + 'static,
{
    /// The answer. It ends after a final state, when the process is about to stop, and when it is
    /// no longer allowed. A client that saw the final state is answered 204, after which browsers
    /// do not come back.
    pub(crate) fn respond(self) -> HttpResponse {
        // What the client cannot have seen is not believed.
        let seen = self.seen.filter(|seen| (1..=self.present.version).contains(seen));
        if seen == Some(self.present.version) && self.present.is_final() {
            return HttpResponse::NoContent()
                .insert_header((header::CACHE_CONTROL, "no-store"))
                .finish();
        }
        if seen.is_some() {
            self.watch.catch_up(self.present.version);
        }
        let running = Running {
            sent: seen.unwrap_or(0),
            state: State::Beginning,
            stream: self,
        };
        let events = unfold(running, |mut running| async move {
            let bytes = running.next().await?;
            Some((Ok::<Bytes, actix_web::Error>(bytes), running))
        });
        HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, EVENT_STREAM))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((X_ACCEL_BUFFERING, "no"))
            // The next request of the client may go to another replica.
            .force_close()
            .streaming(Box::pin(events))
    }
}

/// A stream, and how far it has come.
struct Running<Allowed, Render> {
    stream: Stream<Allowed, Render>,
    /// The version that the client has; 0: none.
    sent: i32,
    state: State,
}

#[derive(PartialEq, Eq)]
enum State {
    Beginning,
    Open,
    /// The final state was sent.
    Ended,
}

impl<Allowed: Fn() -> bool, Render: Fn(&Change) -> String> Running<Allowed, Render> {
    /// The next bytes; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        match self.state {
            State::Beginning => {
                self.state = State::Open;
                let mut text = format!("retry: {}\n", retry_ms());
                if self.sent == 0 {
                    let present = self.stream.present.clone();
                    text += &self.event(&present);
                } else {
                    text += "\n";
                }
                return Some(text.into());
            }
            State::Open => {}
            State::Ended => return None,
        }
        tokio::select! {
            biased;
            () = self.stream.streams.draining.cancelled() => None,
            change = self.stream.watch.after(self.sent) => Some(self.event(&change).into()),
            () = sleep(HEARTBEAT) => (self.stream.allowed)().then_some(Bytes::from_static(b":\n\n")),
        }
    }

    fn event(&mut self, change: &Change) -> String {
        self.sent = change.version;
        if change.is_final() {
            self.state = State::Ended;
        }
        let data = (self.stream.render)(change);
        format!("id: {}\nevent: status\ndata: {data}\n\n", change.version)
    }
}

fn retry_ms() -> u64 {
    // The last bits of such an id are random.
    let spread = RETRY_MS.end - RETRY_MS.start;
    RETRY_MS.start + Uuid::new_v4().as_u64_pair().1 % spread
}
