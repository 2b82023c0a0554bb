//! The end of a process: termination message, last log line and exit status.

use std::io::Write as _;
use std::path::Path;

use crate::failure::{ExitCode, Failure};
use crate::{panics, settings, telemetry};

/// Most bytes that Kubernetes keeps of a termination message.
const TERMINATION_MESSAGE_BYTES: usize = 4096;

/// The file of a container's termination message unless `TERMINATION_MESSAGE_PATH` is set.
const TERMINATION_MESSAGE_PATH: &str = "/dev/termination-log";

/// The end of a process without an error: the exit code, and the last log line if there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessOutcome {
    code: ExitCode,
    line: Option<String>,
}

impl ProcessOutcome {
    /// Ends with `code` after logging `line` at level info, as the last line of all.
    pub fn new(code: ExitCode, line: impl Into<String>) -> Self {
        Self {
            code,
            line: Some(line.into()),
        }
    }

    /// The last log line.
    #[must_use]
    pub fn line(&self) -> Option<&str> {
        self.line.as_deref()
    }
}

/// Without a last line.
impl From<ExitCode> for ProcessOutcome {
    fn from(code: ExitCode) -> Self {
        Self { code, line: None }
    }
}

/// Does the work of the process and [reports](report) its end, also when it panics. Call last.
pub fn run<E: Into<ProcessOutcome>>(work: impl FnOnce() -> Result<E, Failure>) -> std::process::ExitCode {
    panics::install();
    report(panics::caught(work))
}

/// Ends telemetry, logs the last line and returns the status for `main` to return. Call last.
///
/// An error is one line with all its causes. First it becomes the termination message: the file
/// named by
/// `TERMINATION_MESSAGE_PATH` (default `/dev/termination-log`), cut to 4096 bytes, and only if that
/// file exists. Then the spans that wait are sent, which may take 2 s if the collector is missing.
/// Then the line is logged if telemetry was started (and its filter lets errors through), else
/// printed to standard error as `error: …`.
pub fn report(result: Result<impl Into<ProcessOutcome>, Failure>) -> std::process::ExitCode {
    let path = settings::variable("TERMINATION_MESSAGE_PATH");
    report_to(
        result.map(Into::into),
        Path::new(path.as_deref().unwrap_or(TERMINATION_MESSAGE_PATH)),
    )
}

/// As [`run`], for a command beside the container's main process, such as a probe: the termination
/// message belongs to the main process and stays.
pub fn run_beside(work: impl FnOnce() -> Result<ExitCode, Failure>) -> std::process::ExitCode {
    panics::install();
    let code = panics::caught(work).unwrap_or_else(|failure| {
        say(&failure);
        failure.code
    });
    std::process::ExitCode::from(code as u8)
}

fn report_to(result: Result<ProcessOutcome, Failure>, termination_message: &Path) -> std::process::ExitCode {
    // First: a process that is killed while it waits for the collector has left the reason.
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
    // Without `create`: the kubelet makes the file, and elsewhere it has no reader.
    if let Ok(mut file) = std::fs::OpenOptions::new().write(true).truncate(true).open(path) {
        let (kept, _) = line.split_at(line.floor_char_boundary(TERMINATION_MESSAGE_BYTES));
        let _ = file.write_all(kept.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use tempfile::NamedTempFile;

    use super::*;

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
    fn the_last_error_becomes_the_termination_message() {
        let file = NamedTempFile::new().unwrap();
        std::fs::write(&file, "what an earlier run left behind, and it is longer").unwrap();
        let failure =
            Failure::new(ExitCode::Input, "read products.csv").context_from(anyhow::anyhow!("disk on fire"));

        let status = report_to(Err(failure), file.path());

        assert_eq!(status, std::process::ExitCode::from(6));
        assert_eq!(
            std::fs::read_to_string(&file).unwrap(),
            "read products.csv: disk on fire"
        );
    }

    #[test]
    fn a_long_termination_message_is_cut_at_a_character() {
        let file = NamedTempFile::new().unwrap();

        leave_message(&format!("x{}", "ü".repeat(4096)), file.path());

        assert_eq!(
            std::fs::read_to_string(&file).unwrap(),
            format!("x{}", "ü".repeat(2047))
        );
    }

    #[test]
    fn without_a_termination_file_none_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("termination-log");

        report_to(Err(Failure::new(ExitCode::Usage, "PORT: `x`")), &file);

        assert!(!file.exists());
    }
}
