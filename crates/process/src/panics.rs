//! Panics: one log line instead of several, and a failure instead of the end of the process.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::task::Poll;

use crate::failure::{ExitCode, Failure, one_line};
use crate::telemetry;

/// Place and message of the last panic of any thread.
static LAST: Mutex<Option<String>> = Mutex::new(None);

/// A panic of the work that was to be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fault of this program: panicked at {message}")]
pub struct Panicked {
    /// `src/x.rs:3:14: message`
    message: String,
}

/// From now on a panic is one line of the log: of each thread and of each task.
pub fn install() {
    std::panic::set_hook(Box::new(|info| {
        let message = describe(info);
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some(message.clone());
        if telemetry::started() {
            let backtrace = Backtrace::capture();
            let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
            tracing::error!(backtrace, "panicked at {message}");
        } else {
            let _ = writeln!(std::io::stderr().lock(), "error: panicked at {message}");
        }
    }));
}

/// Does the work; a panic is a failure with exit code 1.
///
/// # Errors
/// Those of the work.
pub fn caught<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(Panicked::of(&*panic).into()))
}

/// Does the work of a future, which is dropped when it panics.
///
/// # Errors
/// [`Panicked`] says where and why.
pub fn caught_in<T>(work: impl Future<Output = T>) -> impl Future<Output = Result<T, Panicked>> {
    // Boxed: the work is all that a program does, and large.
    let mut work = Box::pin(work);
    std::future::poll_fn(move |context| {
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(Panicked::of(&*panic))),
        }
    })
}

impl Panicked {
    /// The panic that was caught. The hook has seen its place, unless it is not installed.
    pub fn of(panic: &(dyn Any + Send)) -> Self {
        let text = text_of(panic);
        let last = LAST.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let message = last.filter(|last| last.ends_with(&text)).unwrap_or(text);
        Self { message }
    }
}

impl From<Panicked> for Failure {
    fn from(panicked: Panicked) -> Self {
        Self::new(ExitCode::Unexpected, panicked.to_string())
    }
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let text = text_of(info.payload());
    match info.location() {
        Some(place) => format!("{place}: {text}"),
        None => text,
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    one_line(text.unwrap_or("without a message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_failure_of_one_line() {
        let failure = caught(|| -> Result<(), Failure> { panic!("line one\nline {}", 2) }).unwrap_err();

        assert_eq!(failure.code, ExitCode::Unexpected);
        assert!(
            failure
                .line()
                .starts_with("a fault of this program: panicked at ")
        );
        assert!(failure.line().ends_with("line one line 2"), "{}", failure.line());
        assert_eq!(caught(|| Ok(7)).unwrap(), 7);
    }
}
