//! What errors of the database mean for the exit code.

use std::error::Error as _;

use database::ConnectError;
use process::failure::{ExitCode, Failure};
use tokio_postgres::error::SqlState;

/// For `map_err`: what was being done when the database failed.
pub(crate) fn database(doing: &str) -> impl FnOnce(tokio_postgres::Error) -> Failure + use<> {
    let doing = doing.to_owned();
    move |error| {
        let code = match error.code() {
            Some(state) => code(state),
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

/// The SQLSTATE that caused a failure, if the server gave one.
pub(super) fn state(failure: &Failure) -> Option<&SqlState> {
    let mut cause = failure.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<tokio_postgres::Error>() {
            return error.code();
        }
        cause = error.source();
    }
    None
}

fn code(state: &SqlState) -> ExitCode {
    let missing = [
        SqlState::READ_ONLY_SQL_TRANSACTION,
        SqlState::INSUFFICIENT_PRIVILEGE,
        SqlState::INVALID_SCHEMA_NAME,
        SqlState::UNDEFINED_TABLE,
        SqlState::UNDEFINED_COLUMN,
    ];
    // Connection lost, memory or disk full, server stopping, disk failed.
    let passing = ["08", "53", "57P0", "58"];
    if *state == SqlState::LOCK_NOT_AVAILABLE {
        ExitCode::LockTimeout
    } else if missing.contains(state) {
        ExitCode::Prerequisite
    } else if passing.iter().any(|class| state.code().starts_with(class)) {
        ExitCode::Input
    } else {
        ExitCode::Unexpected
    }
}
