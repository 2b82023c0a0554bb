//! How a process ends: exit codes, the error that knows its code, and the last line it says.

use std::fmt;
use std::io::Write as _;
use std::path::Path;

use crate::{settings, telemetry};

/// Most bytes that Kubernetes keeps of a termination message.
const TERMINATION_MESSAGE_BYTES: usize = 4096;

/// Where a container leaves its last words unless `TERMINATION_MESSAGE_PATH` says otherwise.
const TERMINATION_MESSAGE_PATH: &str = "/dev/termination-log";

/// What the exit status of a process means; the same numbers in every service.
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
    /// 4: somebody else held the lock for longer than `--lock-timeout`.
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
    /// A failure without a cause; `message` is one line and names what is wrong.
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
    /// Wraps an error in a [`Failure`] with `code`, saying in `context` what was being done.
    ///
    /// An error that already is (or is caused by) a `Failure` keeps its own code: whoever stood
    /// closer to the cause knew better.
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

/// How a process ends that has done its work: the exit code, and the last line of its log if it has one to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    code: ExitCode,
    line: Option<String>,
}

impl Ending {
    /// Ends with `code` after logging `line` at level info, as the last line of all.
    pub fn new(code: ExitCode, line: impl Into<String>) -> Self {
        Self {
            code,
            line: Some(line.into()),
        }
    }
}

/// Without a last line.
impl From<ExitCode> for Ending {
    fn from(code: ExitCode) -> Self {
        Self { code, line: None }
    }
}

/// Ends telemetry, says how the process ended and returns the status for `main` to return. Call last.
///
/// An error is one line with all its causes. First it becomes the termination message: the file named by
/// `TERMINATION_MESSAGE_PATH` (default `/dev/termination-log`), cut to 4096 bytes, and only if that file exists. Then the
/// spans that wait are sent, which may take 2 s if the collector is missing. Then the line is logged if telemetry was
/// started (and its filter lets errors through), else printed to standard error as `error: …`.
pub fn report(result: Result<impl Into<Ending>, Failure>) -> std::process::ExitCode {
    let path = settings::variable("TERMINATION_MESSAGE_PATH");
    report_to(
        result.map(Into::into),
        Path::new(path.as_deref().unwrap_or(TERMINATION_MESSAGE_PATH)),
    )
}

/// As [`report`], for a command that runs beside the container's own process, such as a probe: the termination message is
/// not its own and stays as it is.
pub fn report_beside(result: Result<ExitCode, Failure>) -> std::process::ExitCode {
    let code = result.unwrap_or_else(|failure| {
        say(&failure);
        failure.code
    });
    std::process::ExitCode::from(code as u8)
}

fn report_to(result: Result<Ending, Failure>, termination_message: &Path) -> std::process::ExitCode {
    // Whoever kills the process while it waits for the collector shall find the reason.
    if let Err(failure) = &result {
        leave_message(&failure.line(), termination_message);
    }
    telemetry::end();
    let code = match result {
        Ok(ending) => {
            if let Some(line) = ending.line {
                tracing::info!("{line}");
            }
            ending.code
        }
        Err(failure) => {
            say(&failure);
            failure.code
        }
    };
    std::process::ExitCode::from(code as u8)
}

fn say(failure: &Failure) {
    let line = failure.line();
    if telemetry::started() && tracing::enabled!(tracing::Level::ERROR) {
        tracing::error!(exit_code = failure.code as u8, "{line}");
    } else {
        // Nothing is left to do if standard error is closed.
        let _ = writeln!(std::io::stderr().lock(), "error: {line}");
    }
}

fn leave_message(line: &str, path: &Path) {
    // Without `create`: the kubelet makes the file, and elsewhere nobody would read it.
    if let Ok(mut file) = std::fs::OpenOptions::new().write(true).truncate(true).open(path) {
        let (kept, _) = line.split_at(line.floor_char_boundary(TERMINATION_MESSAGE_BYTES));
        let _ = file.write_all(kept.as_bytes());
    }
}

/// An error and all its causes in one line, outermost first.
///
/// A cause whose text its effect already repeats at its end is left out.
#[must_use]
pub fn line(error: &(dyn std::error::Error + 'static)) -> String {
    let mut line = one_line(&error.to_string());
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = one_line(&error.to_string());
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line
}

fn one_line(text: &str) -> String {
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
    use crate::scratch::Scratch;

    #[test]
    fn every_code_has_its_number() {
        let table = [
            (ExitCode::Done, 0),
            (ExitCode::Unexpected, 1),
            (ExitCode::Usage, 2),
            (ExitCode::DatabaseUnreachable, 3),
            (ExitCode::LockTimeout, 4),
            (ExitCode::Drift, 5),
            (ExitCode::Input, 6),
            (ExitCode::Incompatible, 7),
            (ExitCode::Pending, 8),
            (ExitCode::Prerequisite, 9),
            (ExitCode::InvalidData, 10),
            (ExitCode::Stale, 11),
            (ExitCode::Terminated, 143),
        ];

        for (code, number) in table {
            assert_eq!(code as u8, number);
            let status = report_to(Ok(code.into()), Path::new("/nonexistent/termination-log"));
            assert_eq!(status, std::process::ExitCode::from(number));
        }
    }

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

    #[test]
    fn the_last_error_becomes_the_termination_message() {
        let scratch = Scratch::new();
        let file = scratch.write(
            "termination-log",
            "what an earlier run left behind, and it is longer",
        );
        let failure =
            Failure::new(ExitCode::Input, "read products.csv").context_from(anyhow::anyhow!("disk on fire"));

        let status = report_to(Err(failure), &file);

        assert_eq!(status, std::process::ExitCode::from(6));
        assert_eq!(
            std::fs::read_to_string(&file).unwrap(),
            "read products.csv: disk on fire"
        );
    }

    #[test]
    fn a_long_termination_message_is_cut_at_a_character() {
        let scratch = Scratch::new();
        let file = scratch.write("termination-log", "");

        leave_message(&format!("x{}", "ü".repeat(4096)), &file);

        assert_eq!(
            std::fs::read_to_string(&file).unwrap(),
            format!("x{}", "ü".repeat(2047))
        );
    }

    #[test]
    fn without_a_termination_file_none_is_made() {
        let scratch = Scratch::new();
        let file = scratch.path().join("termination-log");

        report_to(Err(Failure::new(ExitCode::Usage, "PORT: `x`")), &file);

        assert!(!file.exists());
    }
}
