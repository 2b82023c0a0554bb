//! A panic at a place of the code under test, without a hook in that code.

use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Event, Subscriber, subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// With one subscriber in the process, tracing asks the thread that comes first to a place whether
/// anyone listens there, and that thread may have none. With two, all subscribers are asked.
static SECOND_SUBSCRIBER: LazyLock<Dispatch> =
    LazyLock::new(|| Dispatch::new(tracing_subscriber::registry()));

fn set_default<L: Layer<tracing_subscriber::Registry> + Send + Sync + 'static>(layer: L) -> DefaultGuard {
    LazyLock::force(&SECOND_SUBSCRIBER);
    subscriber::set_default(tracing_subscriber::registry().with(layer))
}

struct PanicAt(&'static str);

impl<S: Subscriber> Layer<S> for PanicAt {
    fn on_new_span(&self, span: &Attributes<'_>, _id: &Id, _context: Context<'_, S>) {
        assert!(span.metadata().name() != self.0, "panic of a test at {}", self.0);
    }
}

/// While this lives, code on this thread panics that makes a span of this name.
#[must_use]
pub fn panic_at(span: &'static str) -> DefaultGuard {
    set_default(PanicAt(span))
}

struct PanicAtLine {
    message: &'static str,
    before: AtomicUsize,
}

impl<S: Subscriber> Layer<S> for PanicAtLine {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut is_it = IsMessage(self.message, false);
        event.record(&mut is_it);
        if is_it.1 {
            let left = self
                .before
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1));
            assert!(left.is_ok(), "panic of a test at {}", self.message);
        }
    }
}

struct IsMessage(&'static str, bool);

impl Visit for IsMessage {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.1 |= field.name() == "message" && format!("{value:?}") == self.0;
    }
}

/// While this lives, code on this thread panics that logs this message, after it did so `before`
/// times.
#[must_use]
pub fn panic_at_line(message: &'static str, before: usize) -> DefaultGuard {
    set_default(PanicAtLine {
        message,
        before: AtomicUsize::new(before),
    })
}
