//! Exit codes, and the error that knows the exit code of its process.

use std::fmt;

/// The exit status of a process; the same numbers in every service.
///
/// `code as u8` is the status itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// 0: done, or nothing to do.
    Done = 0,
    /// 1: an error that no other code describes.
    Unexpected = 1,
    /// 2: wrong command line or settings, or a source that is not there.
    Usage = 2,
    /// 3: the database was not reachable within `--wait-timeout`.
    DatabaseUnreachable = 3,
    /// 4: another session held the lock for longer than `--lock-timeout`.
    LockTimeout = 4,
    /// 5: an applied migration differs from the one embedded here.
    Drift = 5,
    /// 6: input, disk or network failed; nothing was changed.
    Input = 6,
    /// 7: the database or the data are newer than this build can work with.
    Incompatible = 7,
    /// 8: `status --exit-code` found pending work.
    Pending = 8,
    /// 9: something this command builds on is missing.
    Prerequisite = 9,
    /// 10: the data were read but are not valid; nothing was changed.
    InvalidData = 10,
    /// 11: the data are older than `freshness` allows.
    Stale = 11,
    /// 143: stopped by SIGTERM or SIGINT before the work was done.
    Terminated = 143,
}

/// An error that knows the exit code of the process it ends.
///
/// Displays its own message only; [`Failure::line`] is the message with all its causes.
pub struct Failure {
    /// The status the process ends with if nothing handles this error.
    pub code: ExitCode,
    error: anyhow::Error,
}

impl Failure {
    /// A failure without a cause; `message` is one line and names the problem.
    pub fn new(code: ExitCode, message: impl Into<String>) -> Self {
        Self {
            code,
            error: anyhow::Error::msg(message.into()),
        }
    }

    /// Makes `cause` the cause of this failure; its message and code stay.
    #[must_use]
    pub fn context_from(self, cause: impl Into<anyhow::Error>) -> Self {
        Self {
            code: self.code,
            error: cause.into().context(self.error.to_string()),
        }
    }

    /// The message and all its causes in one line: `load products: products.csv line 3: …`.
    #[must_use]
    pub fn line(&self) -> String {
        line(self)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("code", &self.code)
            .field("line", &self.line())
            .finish()
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

/// `Unexpected`, unless a [`Failure`] stands in the chain of causes: then that one's code.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let code = known_code(&error).unwrap_or(ExitCode::Unexpected);
        Self { code, error }
    }
}

/// Gives an error the exit code its process ends with.
pub trait OrExit<T> {
    /// Wraps an error in a [`Failure`] with `code`, with the failed step as `context`.
    ///
    /// An error that already is (or is caused by) a `Failure` keeps its own code, which was
    /// chosen closer to the cause.
    ///
    /// # Errors
    /// The wrapped error, if there was one.
    fn or_exit(self, code: ExitCode, context: impl Into<String>) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> OrExit<T> for Result<T, E> {
    fn or_exit(self, code: ExitCode, context: impl Into<String>) -> Result<T, Failure> {
        self.map_err(|error| {
            let error = error.into();
            let code = known_code(&error).unwrap_or(code);
            Failure {
                code,
                error: error.context(context.into()),
            }
        })
    }
}

fn known_code(error: &anyhow::Error) -> Option<ExitCode> {
    error
        .chain()
        .find_map(|cause| cause.downcast_ref::<Failure>())
        .map(|failure| failure.code)
}

/// An error and all its causes in one line, outermost first.
///
/// A cause is left out if the text before it already ends with it.
#[must_use]
pub fn line(error: &(dyn std::error::Error + 'static)) -> String {
    let mut line = one_line(&error.to_string());
    for cause in causes(error) {
        let text = one_line(&cause.to_string());
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
    }
    line
}

/// The causes of an error, outermost first.
pub fn causes<'e>(
    error: &'e (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'e (dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |error| error.source())
}

pub(crate) fn one_line(text: &str) -> String {
    text.split(['\n', '\r'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn the_line_holds_the_whole_chain_and_repeats_nothing() {
        let row = anyhow::anyhow!("products.csv line 3:\n  price is negative");
        let failure = Err::<(), _>(row)
            .or_exit(ExitCode::InvalidData, "load products")
            .unwrap_err();
        assert_eq!(
            failure.line(),
            "load products: products.csv line 3: price is negative"
        );
        assert_eq!(failure.to_string(), "load products");

        let repeated =
            Failure::new(ExitCode::Input, "read x: gone").context_from(std::io::Error::other("gone"));
        assert_eq!(repeated.line(), "read x: gone");
    }

    #[test]
    fn a_failure_keeps_its_code_through_contexts() {
        let locked = || Err::<(), _>(Failure::new(ExitCode::LockTimeout, "held by pid 7"));

        let wrapped: Failure = locked().context("migrate").unwrap_err().into();
        let given = locked()
            .context("migrate")
            .or_exit(ExitCode::Unexpected, "up")
            .unwrap_err();
        let plain: Failure = anyhow::anyhow!("what").into();

        assert_eq!(
            (wrapped.code, wrapped.line().as_str()),
            (ExitCode::LockTimeout, "migrate: held by pid 7")
        );
        assert_eq!(
            (given.code, given.line().as_str()),
            (ExitCode::LockTimeout, "up: migrate: held by pid 7")
        );
        assert_eq!(plain.code, ExitCode::Unexpected);
    }
}
