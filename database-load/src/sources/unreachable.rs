use std::error::Error as _;

use process::failure::{ExitCode, Failure};

/// A source's bytes cannot be had now, through no fault of what is asked for: nobody answers, or the disk fails.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unreachable(String);

/// Exit 6; `name` may be shown.
pub(super) fn failure(name: &str, problem: impl Into<String>) -> Failure {
    Failure::new(ExitCode::Input, format!("source {name}")).context_from(Unreachable(problem.into()))
}

/// Whether a run failed because a source could not be reached.
pub(crate) fn is_unreachable(failure: &Failure) -> bool {
    let mut cause = failure.source();
    while let Some(error) = cause {
        if error.is::<Unreachable>() {
            return true;
        }
        cause = error.source();
    }
    false
}
