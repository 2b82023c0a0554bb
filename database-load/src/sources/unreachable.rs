//! Failures of sources that cannot be reached, apart from those of their data.

use process::failure::{ExitCode, Failure, causes};

/// A source's bytes cannot be had now, through no fault of what is asked for: no answer, or
/// the disk fails.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unreachable(String);

/// Exit 6; `name` may be shown.
pub(super) fn failure(name: &str, problem: impl Into<String>) -> Failure {
    Failure::new(ExitCode::Input, format!("source {name}")).context_from(Unreachable(problem.into()))
}

/// Exit 2: there is nothing of this name; the server answers with `status`.
pub(super) fn absent(name: &str, status: u16) -> Failure {
    Failure::new(ExitCode::Usage, format!("source {name}: is not there ({status})"))
}

/// Whether a run failed because a source could not be reached.
pub(crate) fn is_unreachable(failure: &Failure) -> bool {
    causes(failure).any(|error| error.is::<Unreachable>())
}
