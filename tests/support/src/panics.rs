//! A panic at a place of the code under test, without a hook in that code.

use tracing::span::{Attributes, Id};
use tracing::subscriber::DefaultGuard;
use tracing::{Subscriber, subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

struct PanicAt(&'static str);

impl<S: Subscriber> Layer<S> for PanicAt {
    fn on_new_span(&self, span: &Attributes<'_>, _id: &Id, _context: Context<'_, S>) {
        assert!(span.metadata().name() != self.0, "panic of a test at {}", self.0);
    }
}

/// While this lives, code on this thread panics that makes a span of this name.
#[must_use]
pub fn panic_at(span: &'static str) -> DefaultGuard {
    subscriber::set_default(tracing_subscriber::registry().with(PanicAt(span)))
}
