//! What errors of the database mean for the exit code.

use database::ConnectError;
use process::exit::{ExitCode, Failure};
use tokio_postgres::error::SqlState;

/// Exit 143.
pub(super) fn canceled() -> Failure {
    Failure::new(ExitCode::Terminated, "stopped by a signal; nothing was changed")
}

/// For `map_err`: what was being done when the database failed.
pub(super) fn database(doing: &str) -> impl FnOnce(tokio_postgres::Error) -> Failure {
    move |error| {
        let code = match error.code() {
            Some(state) => code(state.code()),
            // Not the server's words: the connection is gone.
            None => ExitCode::Input,
        };
        Failure::new(code, doing).context_from(error)
    }
}

/// For `map_err`: no connection.
pub(super) fn connecting(error: ConnectError) -> Failure {
    let code = if error.is_unreachable() {
        ExitCode::DatabaseUnreachable
    } else {
        ExitCode::Usage
    };
    Failure::new(code, "connect").context_from(error)
}

fn code(state: &str) -> ExitCode {
    if state == SqlState::LOCK_NOT_AVAILABLE.code() {
        ExitCode::LockTimeout
    } else if state.starts_with("08") || state.starts_with("57P") || state.starts_with("53") {
        // Connection lost, server stopping, disk or memory full.
        ExitCode::Input
    } else {
        ExitCode::Unexpected
    }
}
